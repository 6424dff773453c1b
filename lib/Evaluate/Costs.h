//===- Costs.h - what the choices of a problem cost -------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_LIB_EVALUATE_COSTS_H
#define BITWRIGHT_LIB_EVALUATE_COSTS_H

#include "dialects/Qnn/SymbolicShapes.h"
#include "lib/Allocate/Units.h"
#include "lib/Statistics/CalibrationData.h"
#include <functional>

namespace bitwright {

/// Name of the group of what every plan costs; its one choice is "-" and it has no elements.
constexpr llvm::StringLiteral restGroup = "(rest)";

struct CostOptions {
  bool latency = false;     ///< measure, or look up, the time of each choice
  bool peakMemory = false;  ///< memory points
  std::string latencyTable; ///< file that is read first and gets what had to be measured; empty: none
  unsigned threads = 1;     ///< of the runs that are timed
  std::function<void(uint64_t done, uint64_t all)> progress; ///< of the measuring
};

/// Fills `problem.metrics` and the costs of every choice of the problem made by `units.toProblem()`: `bytes` of the
/// weight as the file holds it, `bops`, and where asked `latency` in milliseconds for one run of `sample`'s shapes, and
/// the memory points. What belongs to no unit is the group "(rest)": bytes of biases and of other constants, time of
/// other launches. Of problems without it, the groups are the units in order.
llvm::Error addCosts(solver::AllocationProblem &problem, mlir::func::FuncOp func, const AllocationUnits &units,
                     const Sample &sample, const CostOptions &options);

/// Bytes of a unit's weight in a .bwm file: codes in the kernels' order with its padding, and scales, zero points or
/// multipliers. `weight`, `activation`: formats ("" where the unit has none to choose). 0 without a product.
int64_t bytesOfWeight(const AllocationUnit &unit, llvm::StringRef weight, llvm::StringRef activation);
/// Bytes of what stands beside in any plan: biases, and constants of operations that are no unit. Small tables are left
/// out (256 bytes each).
int64_t bytesOfRest(mlir::func::FuncOp func, const AllocationUnits &units);
/// Values of a function's symbols, from the shapes of a sample.
class DimensionValues {
public:
  /// Errors: a sample of another number of inputs or other ranks, a function whose shapes cannot be derived.
  static llvm::Expected<DimensionValues> create(mlir::func::FuncOp func, const Sample &sample);
  /// Every symbol at its largest value.
  static llvm::Expected<DimensionValues> largest(mlir::func::FuncOp func);
  llvm::SmallVector<int64_t> shapeOf(mlir::Value value) const;
  int64_t elementsOf(mlir::Value value) const;
  llvm::ArrayRef<int64_t> getSymbols() const { return symbols; }

private:
  explicit DimensionValues(SymbolicShapes shapes) : shapes(std::move(shapes)) {}
  SymbolicShapes shapes;
  llvm::SmallVector<int64_t> symbols;
};

/// Multiplications with addition of one run, for the sizes that a sample has; 0 for what is no product.
int64_t macsOf(mlir::Operation *product, const DimensionValues &dims);

} // namespace bitwright

#endif
