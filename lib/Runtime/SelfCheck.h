//===- SelfCheck.h - the probe run of a file -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "lib/Runtime/Session.h"

namespace bitwright::runtime {

/// Runs the probe of `session`'s model (seed and dimensions from `check`) on every entry point and gives one checksum
/// for each stored integer tensor.
Status probeChecksums(Session &session, const artifact::SelfCheck &check, std::vector<artifact::Checksum> &result);

/// Compares with the checksums in the model. BW_CHECK_FAILED names the first that differs.
Status runSelfCheck(Session &session, size_t &compared);

} // namespace bitwright::runtime
