//===- ProductCase.h - random convolutions and linear layers ---------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
// A ProductCase describes one region (product and epilogue); build() writes its IR with random weights, and makes
// inputs.
//===----------------------------------------------------------------------===//
#ifndef BITWRIGHT_TEST_UNIT_X86GEMM_PRODUCTCASE_H
#define BITWRIGHT_TEST_UNIT_X86GEMM_PRODUCTCASE_H

#include "lib/Reference/Tensor.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/OwningOpRef.h"

#include <random>
#include <string>
#include <vector>

namespace bitwright::x86::testing {

enum class Epilogue {
  None,            ///< the product itself, i32 or f32
  Rescale,         ///< integers: per channel to s8;                   float: relu
  RescaleResidual, ///< integers: rescale, then add of another tensor; float: add of another tensor, relu
  RescaleLookup,   ///< integers: rescale, then a table;               float: gelu
  Gate,            ///< product times an N x C x 1 x 1 tensor (convolutions only)
  Dequantize,      ///< integers: to f32 with a scale per channel;      float: none
};

struct ProductCase {
  bool isFloat = false, isLinear = false;
  int inputBits = 8, weightBits = 8;
  std::vector<int64_t> in; ///< batch and spatial sizes (linear: all leading dimensions)
  int64_t channels = 16, outputs = 16, groups = 1;
  std::vector<int64_t> kernel, strides, pads, dilations;
  int64_t zeroPoint = 0;
  bool bias = true, channelsLast = true, dynamic = false;
  Epilogue epilogue = Epilogue::None;

  std::string describe() const;
  std::vector<int64_t> out() const; ///< batch and output spatial sizes
  int64_t macs() const;
};

/// A spatial convolution.
ProductCase conv(std::vector<int64_t> in, int64_t channels, int64_t outputs, std::vector<int64_t> kernel,
                 int64_t stride = 1, int64_t pad = 0, int64_t groups = 1);
ProductCase linear(std::vector<int64_t> leading, int64_t depth, int64_t outputs);

struct BuiltCase {
  mlir::OwningOpRef<mlir::ModuleOp> module;
  mlir::func::FuncOp func;
  std::vector<reference::Tensor> operands;  ///< of the kernel.fused, empty for constants
  std::vector<reference::Tensor> arguments; ///< of the function
  std::vector<int64_t> symbols;
};
/// Null module after a diagnostic.
BuiltCase build(mlir::MLIRContext &context, const ProductCase &c, uint64_t seed);

} // namespace bitwright::x86::testing

#endif // BITWRIGHT_TEST_UNIT_X86GEMM_PRODUCTCASE_H
