//===- SelfCheck.h - the probe run of a file -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "lib/Runtime/Session.h"

namespace bitwright::runtime {

/// Memory of a probe run of one entry point: inputs filled, outputs empty.
struct ProbeTensors {
  std::vector<std::vector<uint8_t>> memory;
  std::vector<bw_tensor> inputs, outputs;
};
Status makeProbe(Session &session, const artifact::SelfCheck &check, size_t entry, ProbeTensors &result);

/// Runs the probe of `session`'s model (seed and dimensions from `check`) on every entry point and gives one checksum
/// for each stored integer tensor.
Status probeChecksums(Session &session, const artifact::SelfCheck &check, std::vector<artifact::Checksum> &result);

/// Compares with the checksums in the model. BW_CHECK_FAILED names the first that differs. For a session on a GPU see
/// `runCudaSelfCheck`.
Status runSelfCheck(Session &session, size_t &compared);

/// The probe on a GPU: launch by launch beside the CPU, every launch with the inputs that it has there, so that a float
/// that differs in its last bits upsets nothing behind it. What is stored must be equal for integers (and have the
/// file's checksum) and within `floatBound` for floats. `compared` counts both. Beside the file's dimensions, those
/// that reach the other rows of the launches' tables are checked against the CPU alone.
Status runCudaSelfCheck(Session &session, size_t &compared);

/// Largest difference allowed between GPU and CPU for a float value `y` (the CPU's) of a tensor of root mean square
/// `rms` that a launch with reductions over up to `k` elements stored, `type` being the tensor's type and `half`
/// whether 16-bit floats occur in the launch (docs/FileFormat.md derives it).
double floatBound(artifact::ElementType type, bool half, bool brain, int64_t k, double rms, double y);

} // namespace bitwright::runtime
