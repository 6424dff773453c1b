//===- QuantizableOps.h - what can run on codes, and how -------------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// The one list of operations that have an integer form, shared by assign-schemes, the quantize passes and integerize.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_PASSES_QUANTIZE_QUANTIZABLEOPS_H
#define BITWRIGHT_PASSES_QUANTIZE_QUANTIZABLEOPS_H

#include "dialects/Qnn/Qnn.h"
#include "lib/Rounding/Rounding.h"
#include "lib/Support/Recipe.h"
#include <functional>
#include <optional>

namespace bitwright {

/// Attributes between allocate and integerize. On operations (the range also on function arguments):
constexpr llvm::StringLiteral weightSchemeAttr = "qnn.weight_scheme";         ///< #qnn.scheme of the weight operand
constexpr llvm::StringLiteral weightClipAttr = "qnn.weight_clip";             ///< "absmax", "mse" or "percentile"
constexpr llvm::StringLiteral weightPercentileAttr = "qnn.weight_percentile"; ///< f64, for clip = percentile
constexpr llvm::StringLiteral weightZeroPointAttr = "qnn.weight_zero_point";  ///< unit: groups have a zero point each
constexpr llvm::StringLiteral weightRoundingAttr = "qnn.weight_rounding";     ///< "gptq"; absent: to nearest
constexpr llvm::StringLiteral weightOnlyAttr = "qnn.weight_only"; ///< unit: codes of the weight, floats of the input
constexpr llvm::StringLiteral activationSchemeAttr = "qnn.activation_scheme"; ///< #qnn.scheme of the result or argument
constexpr llvm::StringLiteral rangeAttr = "qnn.range";                        ///< array<f64: low, high> of the result
/// Where it differs from `qnn.range`: the extremes, for codes of 16 bits, whose steps are too fine to pay for clipping.
constexpr llvm::StringLiteral wideRangeAttr = "qnn.wide_range";
constexpr llvm::StringLiteral keepFloatAttr = "qnn.keep_float"; ///< why the operation stays in float
/// On the dequantize of an 8-bit weight, i64: groups of so many columns are two-level (R16): code * S + m with codes of
/// 4 bits. The parts follow from the 8-bit codes (`decomposeTwoLevel`).
constexpr llvm::StringLiteral twoLevelAttr = "qnn.two_level";
/// From integerize on, on operations that make codes: {scale, zero_point} of their result.
constexpr llvm::StringLiteral gridAttr = "qnn.grid";
/// On the function, from quantize-weights: {fallbacks, layers}: products whose recipe asks for GPTQ, and those among
/// them that took the nearest codes instead, because GPTQ's output error under the calibration moments was larger or it
/// could not run. An equal error is no fallback: nothing was lost.
constexpr llvm::StringLiteral gptqAttr = "qnn.gptq";
/// On the function: {name, multiplier_bits, bias_correction}, and `float` where floats are stored in 16 bits.
constexpr llvm::StringLiteral recipeAttr = "qnn.recipe";

/// How an operation runs on codes.
enum class OpClass {
  Product,  ///< conv, conv_transpose, linear with a constant weight: i32 accumulators
  Matmul,   ///< product of two activations
  Binary,   ///< add, sub, mul of two tensors
  Average,  ///< reduce_mean, reduce_sum, avg_pool
  Unary,    ///< a function of one element: a table
  Movement, ///< data movement, max_pool: codes keep their grid (INTEGER E5)
  Other,    ///< no integer form
};
OpClass classify(mlir::Operation *op);
/// Why an operation of class Other has no integer form.
std::string reasonForFloat(mlir::Operation *op);

/// Whether an operation that runs on codes can read and write codes of a storage format (s8, s16). A product and a
/// matmul write any format; what a product reads is for `hasKernel` to say.
bool computesOnActivation(mlir::Operation *op, llvm::StringRef storage);
/// Whether a kernel multiplies weights and activations of these storage formats for `product`.
bool hasKernel(mlir::Operation *product, llvm::StringRef weight, llvm::StringRef activation);

/// A convolution of one input and one output channel a group.
bool isDepthwise(mlir::Operation *product);

/// The operands that are codes when the operation runs on codes (constants of a Binary included).
llvm::SmallVector<mlir::OpOperand *> dataOperands(mlir::Operation *op);

/// relu and clip, and min/max with a scalar: limits that fold into the clamp of a requantization (R11).
bool isClamp(mlir::Operation *op);
/// The limits of a clamp in real values (infinities where there is none).
Range clampLimits(mlir::Operation *op);

/// The float64 function of a Unary, on its data operand.
std::function<double(double)> unaryFunction(mlir::Operation *op);

/// Along which axis of the weight of a Product its output channels lie (0; conv_transpose 1).
int64_t weightAxis(mlir::Operation *product);
/// Along which axis of its result.
int64_t outputAxis(mlir::Operation *product);
mlir::Value getWeightOf(mlir::Operation *product);
mlir::Value getBiasOf(mlir::Operation *product);
void setBiasOf(mlir::Operation *product, mlir::Value bias);

/// The grid of a per-tensor quantize or dequantize with constant parameters.
std::optional<Grid> gridOf(qnn::QuantizeOp op);
std::optional<Grid> gridOf(qnn::DequantizeOp op);

/// A rounded weight: codes in the order of the weight, and its parameters in the order of their tensor.
struct RoundedWeight {
  qnn::SchemeAttr scheme; ///< of the codes: of a two-level weight <s8, axis 0>
  std::vector<int32_t> codes;
  std::vector<float> scales;       ///< one, one a slice, or one a group [N, K/group]
  std::vector<int32_t> zeroPoints; ///< empty: 0; else one a scale
  int64_t twoLevelGroup = 0;       ///< > 0: the 8-bit codes are two-level in groups of so many columns
  std::vector<int64_t> shape;
  /// Of GPTQ: its output error over that of rounding to nearest (the better of the two was kept); else negative, and
  /// why it was not tried although the recipe asks for it.
  double gptqRatio = -1;
  std::string gptqReason;
  /// Output channels whose codes use fewer bits so that accumulators stay in 32 bits (INTEGER R14), and how many bits
  /// the one with the fewest has.
  int64_t narrowed = 0;
  int narrowestBits = 0;

  /// The value of element `i`.
  double valueAt(int64_t i) const;
  int64_t parameterOf(int64_t i) const;
};

/// Quantizes the float constant weight of a Product as its attributes say; `inputScale` is the scale of its input (0:
/// the bias stays float). A channel whose weights are tiny beside its bias gets a coarser scale, so that the bias fits
/// int32 (INTEGER R15). Diagnoses weights that the scheme cannot take.
mlir::FailureOr<RoundedWeight> quantizeWeightOf(mlir::Operation *product, float inputScale);
/// Reads the weight of a Product slice by slice.
struct WeightSlices {
  std::vector<int64_t> shape;
  int64_t channels = 0; ///< output channels of all groups
  int64_t depth = 0;    ///< products in one accumulator
  bool transposed = false;
  int64_t groups = 1, taps = 1;

  explicit WeightSlices(mlir::Operation *product);
  /// The output channel that element `i` of the weight belongs to.
  int64_t channelOf(int64_t i) const;
};
/// An estimate, from the float weight, of sum_k |code| of the output channel where it is largest, with codes as they
/// meet 16-bit activations.
double estimatedCodeSum(mlir::Operation *product);
/// Largest |q - zero point| of the codes behind a dequantize with one static grid; 0 if there is none.
int64_t largestDistance(qnn::DequantizeOp input);

/// Whether the input of a Product is codes with run-time scales a token, and whether only its weight is quantized.
bool isPerToken(mlir::Operation *product);
bool isWeightOnly(mlir::Operation *product);

/// A constant: small ones as qnn.constant, others in the weight store under a unique name.
mlir::Value createConstant(mlir::OpBuilder &builder, mlir::Location loc, llvm::StringRef name,
                           llvm::ArrayRef<int64_t> shape, llvm::ArrayRef<float> values);
/// Integer constant of 4 (packed; signed or unsigned codes), 8, 16 or 32 bits.
mlir::Value createConstant(mlir::OpBuilder &builder, mlir::Location loc, llvm::StringRef name,
                           llvm::ArrayRef<int64_t> shape, unsigned bits, llvm::ArrayRef<int32_t> values);

/// Erases a constant without users. Its entry in the weight store stays: clones of the module may name it.
void eraseIfUnused(mlir::Operation *constant);

} // namespace bitwright

#endif
