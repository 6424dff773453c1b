//===- VerifyGpu.h - what must hold in the GPU part of a model -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "lib/Artifact/Model.h"

namespace bitwright::artifact {

/// Packings, GPU code, GPU kernels and the tables of the launches of a model whose other parts have been verified.
bool verifyGpu(const Model &model, std::string &error);

} // namespace bitwright::artifact
