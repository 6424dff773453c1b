//===- Plan.h - formats by name, read from a file and applied ---*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_LIB_ALLOCATE_PLAN_H
#define BITWRIGHT_LIB_ALLOCATE_PLAN_H

#include "lib/Allocate/Units.h"

namespace bitwright {

struct UnitFormats {
  std::string name;               ///< of a product, or of an activation class (lib/Allocate/Units.h)
  std::string weight, activation; ///< empty or "-": as the recipe says
};

/// What the solver decided, or what a person wrote.
struct FormatPlan {
  std::string digest; ///< of the graph that it was made for; empty: not compared
  std::vector<UnitFormats> units;
};

/// The choices of a solved problem.
FormatPlan planOf(const solver::AllocationProblem &problem, llvm::ArrayRef<unsigned> choices);
/// From a plan file (docs/Allocation.md, "The plan file"). Errors name the file.
llvm::Expected<FormatPlan> readPlan(llvm::StringRef path);

/// Writes the formats into the schemes of `func` (after assign-schemes). Errors: a plan for another graph, a name that
/// is no unit of this one, two formats for one activation class, formats that no kernel computes with.
llvm::Error applyPlan(mlir::func::FuncOp func, const FormatPlan &plan);

} // namespace bitwright

#endif
