//===- Rewriting.h - what the passes of the simplify stage share -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_PASSES_SIMPLIFY_SUPPORT_REWRITING_H
#define BITWRIGHT_PASSES_SIMPLIFY_SUPPORT_REWRITING_H

#include "dialects/Qnn/Qnn.h"
#include "lib/Weights/WeightStore.h"
#include "mlir/IR/Builders.h"
#include "llvm/ADT/StringSet.h"
#include <optional>
#include <vector>

namespace bitwright::simplify {

/// Constants of at most this many elements stand in the IR as `qnn.constant`, larger ones in the weight store.
constexpr int64_t kLiteralElements = 64;

/// A constant with the given bytes: a literal if small, else a new entry of the weight store, named `name` or, if that
/// is taken, `name.N`. The operation's name is the entry's.
mlir::Value createConstant(mlir::OpBuilder &builder, mlir::Location loc, llvm::StringRef name, const WeightData &data);

/// Rounds each value once (to nearest even) to the float element type of `type`.
WeightData roundTo(mlir::RankedTensorType type, llvm::ArrayRef<double> values);

/// The elements of a float constant; none for any other value.
std::optional<std::vector<double>> getDoubles(mlir::Value value);

/// The float constant `value`, taken as an operand that broadcasts to a tensor of `rank` dimensions, as one number a
/// slice along `axis` (`size` of them). None if it varies along another dimension or has more than `rank` dimensions.
std::optional<std::vector<double>> getChannelValues(mlir::Value value, int64_t rank, int64_t axis, int64_t size);

/// The base for the name of a changed copy of a constant: its own name, or `fallback`.
std::string getConstantName(mlir::Value value, const llvm::Twine &fallback);

/// Erases the operations that computed `values`, and those that they alone used, as long as nobody uses them.
void eraseIfUnused(mlir::ValueRange values);

/// Names of one function; gives new ones that are not taken.
class Names {
public:
  explicit Names(mlir::func::FuncOp func);
  std::string derive(const llvm::Twine &name);

private:
  llvm::StringSet<> taken;
};

/// A product with constant weights whose output channels can be scaled and shifted in the weights: qnn.conv,
/// qnn.conv_transpose (dimension 1) or qnn.linear (last dimension).
class ChannelProduct {
public:
  /// The product that defines `value`, if `value` has one use, weight and bias are float constants (or no bias).
  static std::optional<ChannelProduct> match(mlir::Value value);
  /// Number of output channels and their dimension in the result.
  int64_t getChannels() const { return channels; }
  int64_t getAxis() const { return axis; }
  /// From now on the result is (old result) * scale[c] + shift[c], computed in float64 and rounded once; an empty array
  /// stands for ones or zeros. New constants; the old ones are erased from the function if nobody else uses them.
  void apply(llvm::ArrayRef<double> scale, llvm::ArrayRef<double> shift);
  mlir::Operation *getOperation() const { return op; }

private:
  mlir::Operation *op = nullptr;
  int64_t channels = 0, axis = 0;
};

} // namespace bitwright::simplify

#endif
