//===- Units.h - what there is to decide about a graph ----------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// The unknowns of an allocation, read from a float graph with schemes (after assign-schemes, with ranges): one unit a
// product whose weight becomes codes, and one for each class of activations that no such product reads. A unit chooses
// a weight format and the format of the activation that it reads; units that read the same class are tied.
//
// A value has one format, in which its producer's requantization writes it and all readers read it: formats of
// neighbours may differ without a conversion between them.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_LIB_ALLOCATE_UNITS_H
#define BITWRIGHT_LIB_ALLOCATE_UNITS_H

#include "lib/Solver/AllocationProblem.h"
#include "passes/Quantize/QuantizerPlacement.h"

namespace bitwright {

/// Formats that are tried where kernels exist for them.
struct FormatChoices {
  std::vector<std::string> weights = {"s8", "s4"};
  std::vector<std::string> activations = {"s8"};
};

/// Values that share one grid (they only differ by data movement) and so one format.
struct ActivationClass {
  std::string name; ///< of its first value in program order
  llvm::SmallVector<mlir::Value> values;
  /// Of the choices, those that every operation around it computes with; the present format is always among them.
  std::vector<std::string> formats;
};

struct AllocationUnit {
  std::string name;                   ///< of the product; without one: of the class, and ":codes"
  mlir::Operation *product = nullptr; ///< null: an activation class that no quantized product reads
  int activation = -1;                ///< index of the class that it reads (or is); -1: its input is no static code
  std::vector<std::string> weights;   ///< formats to choose from; empty without a product
};

struct AllocationUnits {
  std::string digest; ///< of the graph, see graphDigest
  llvm::SmallVector<ActivationClass> classes;
  llvm::SmallVector<AllocationUnit> units;

  /// In program order.
  static AllocationUnits compute(mlir::func::FuncOp func, const FormatChoices &choices);

  /// A problem with a group for each unit, in order, and a choice for each pair of formats that has a kernel (losses 0,
  /// no costs), and the ties. Units with a single choice are there too: their costs count.
  solver::AllocationProblem toProblem() const;
};

/// Digest of a float graph and its weights, whatever schemes and ranges it carries: that of its statistics.
std::string graphDigest(mlir::func::FuncOp func);
/// Products whose weight becomes codes, in program order.
llvm::SmallVector<mlir::Operation *> quantizedProducts(mlir::func::FuncOp func);
/// The scheme of a product's weight with another storage format. Groups are for up to 4 bits; more have a scale a
/// channel (assign-schemes).
qnn::SchemeAttr weightSchemeWith(mlir::Operation *product, llvm::StringRef storage);

} // namespace bitwright

#endif
