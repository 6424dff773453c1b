//===- Decisions.h - all that is known about an allocation ------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_LIB_ALLOCATE_DECISIONS_H
#define BITWRIGHT_LIB_ALLOCATE_DECISIONS_H

#include "lib/Solver/Solve.h"

#include <map>
#include <string>
#include <vector>

namespace bitwright {

/// A whole plan whose loss was measured with all its choices at once.
struct PlanTrial {
  std::string name; ///< "chosen", "chosen before pair terms", "uniform s4", "random 7", ...
  std::vector<unsigned> choices;
  double predicted = 0, measured = 0;
  std::map<std::string, double> metrics; ///< further predictions by metric name (see Sensitivity metrics)
};

/// What the chosen formats do to one unit alone.
struct UnitQuality {
  std::string name;
  double weightError = 0; ///< sum of squared rounding errors over the sum of squared weights
  double outputSqnr = 0;  ///< dB, of the product's output with only this weight rounded; 0 when unknown
};

/// For the report and for scripts.
struct Decisions {
  solver::AllocationProblem problem;
  std::vector<solver::Budget> budgets;
  solver::Plan plan;
  std::vector<solver::ParetoPoint> pareto; ///< over the first budget; empty when none was asked for
  std::vector<PlanTrial> trials;           ///< the chosen plan last
  std::vector<UnitQuality> qualities;      ///< a unit of the problem each, in order
  double measuredLatency = 0;              ///< ms of the whole network with the chosen plan; 0: not asked for
};

} // namespace bitwright

#endif
