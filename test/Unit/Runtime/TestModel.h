//===- TestModel.h - a small hand-made model for the runtime's tests -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "lib/Artifact/Artifact.h"
#include "lib/Runtime/Status.h"

#include <string>
#include <vector>

namespace bitwright::test {

/// Symbols N 1..4 and W 4..40 in steps of 4. Input x: s32 [N, 3, W]. Outputs y: s32 [N, 3, W] with
/// y[n, c, w] = 2 * x[n, c, W - 1 - w] + 10 * (c + 1), total: s64 [1] = sum of y, level: s32 [1] = 2 or 512 by the code
/// that ran. Launches: shift (stores `mid`, logical [N, 3, W], in memory N W C with C padded to 4), reverse (uses
/// scratch), total, level. A self-check is not included.
artifact::Model makeModel();

/// The same as bytes.
std::vector<uint8_t> makeBytes();

/// Fills `model.selfCheck` from a run on the AVX2 level. `symbolValues` empty: the smallest of every symbol.
runtime::Status addSelfCheck(artifact::Model &model, uint64_t seed, std::vector<int64_t> symbolValues = {});

/// `makeModel` and, as weight 2, panels of 2 x 37 x 43 codes of 3 bits above 4, which no launch reads; and as bytes.
artifact::Model makePackedModel();
std::vector<uint8_t> makePackedBytes();
/// Panels of nibbles base .. base + 2^bits - 1, mixed, in which every value occurs if there are enough places.
std::vector<uint8_t> makeNibbles(const artifact::PackedCodes &codes);

/// One launch of `keep_denormal` over two floats; no symbols.
artifact::Model makeFloatModel();

/// `makeModel` without `level`, and with code for the make-believe driver of MockCuda.h: `shift` has kernels for N in
/// 1..2 and from 3 on (sm_90a; the latter persistent, with clusters of 2) or one for all (sm_80), the bias packed with
/// its rows 1 and 2 swapped; `reverse` reads mid through a tensor map.
artifact::Model makeGpuModel();
/// `makeFloatModel` with a GPU kernel; the CPU's product is a denormal times one.
artifact::Model makeGpuFloatModel();

/// Expected y for x of [n, 3, w].
std::vector<int32_t> expectedY(const std::vector<int32_t> &x, int64_t n, int64_t w);
/// x of [n, 3, w] with mixed values.
std::vector<int32_t> makeX(int64_t n, int64_t w);

/// A name in the folder of this test run.
std::string temporaryPath(const std::string &name);
std::vector<uint8_t> readFile(const std::string &path);
void writeFile(const std::string &path, const std::vector<uint8_t> &bytes);

} // namespace bitwright::test
