//===- PlanTrials.h - what a choice of formats does to the output -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// One evaluation model and the float network's outputs on some samples: the loss of any formats of weights and
// activations costs one run of the samples and no compilation. Weights are rounded as the quantize stage will round
// them, and their biases corrected as correct-bias will; activations are put on the grid of their class. What has no
// format stays float.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_LIB_EVALUATE_PLANTRIALS_H
#define BITWRIGHT_LIB_EVALUATE_PLANTRIALS_H

#include "lib/Allocate/Units.h"
#include "lib/Evaluate/EvaluationModel.h"
#include "lib/Evaluate/UserMetric.h"
#include <list>
#include <map>

namespace bitwright {

/// Formats that are rounded to; empty: float.
struct Trial {
  std::vector<std::string> weights;     ///< one a unit
  std::vector<std::string> activations; ///< one a class
};

struct TrialOptions {
  unsigned maxSamples = 32; ///< samples of the data that are used
  unsigned threads = 1;
  bool biasCorrection = true;              ///< where there are statistics
  uint64_t cacheBytes = uint64_t(2) << 30; ///< of rounded weights; what is beyond is rounded again when needed
  UserMetric *userMetric = nullptr;
};

struct TrialLoss {
  /// Mean over samples and outputs of the Kullback-Leibler divergence from the float network's output, where its rows
  /// are distributions (not negative, sum 1 within 1e-3), else of the squared error relative to the output's size.
  double output = 0;
  double user = 0; ///< the user metric minus that of the float network
};

/// Of one rounded weight, alone.
struct WeightErrors {
  double weight = 0;  ///< sum of squared rounding errors over the sum of squared weights
  double output = -1; ///< the same of the product's output, on rows of its float input; negative: not known
};

class PlanTrials {
public:
  /// Compiles, and runs the samples once. Units whose weight the model cannot change, and classes that it does not
  /// store, keep the present format: it becomes their only one in `units`, and their names are in `getKept()`. `units`
  /// and `func` stay alive.
  static llvm::Expected<std::unique_ptr<PlanTrials>> create(mlir::func::FuncOp func, AllocationUnits &units,
                                                            CalibrationData &data, const TrialOptions &options);

  /// Everything float.
  Trial none() const;
  /// The formats of a plan for a problem of `units` (further groups are ignored).
  Trial of(const solver::AllocationProblem &problem, llvm::ArrayRef<unsigned> choices) const;

  /// `what` names the trial in messages. Errors: a loss that is not finite, a weight that cannot be rounded.
  llvm::Expected<TrialLoss> measure(const Trial &trial, const llvm::Twine &what);
  llvm::Expected<WeightErrors> weightErrors(unsigned unit, llvm::StringRef format);
  /// Squared rounding error of the class's values over their squares, on the samples that were looked at.
  double activationError(unsigned activationClass, llvm::StringRef format) const;

  /// Units and classes by name that trials leave in float.
  const std::vector<std::string> &getKept() const { return kept; }
  bool canChange(const AllocationUnit &unit) const;
  std::string lossName() const;
  unsigned getNumSamples() const { return unsigned(samples.size()); }
  const Sample &getSample() const { return samples.front(); }
  const std::string &getDataDigest() const { return dataDigest; }
  const AllocationUnits &getUnits() const { return units; }
  /// Trials measured so far.
  uint64_t getCount() const { return count; }

private:
  struct Rounded {
    std::vector<float> weight, bias; ///< bias: empty where it is not corrected
    WeightErrors errors;
  };
  using Outputs = std::vector<EvaluatedOutput>;

  PlanTrials(mlir::func::FuncOp func, AllocationUnits &units, const TrialOptions &options)
      : func(func), units(units), options(options) {}
  llvm::Error readSamples(CalibrationData &data);
  void findGrids();
  llvm::Error look();
  llvm::Expected<const Rounded *> rounded(unsigned unit, llvm::StringRef format);
  llvm::Error apply(const Trial &trial);
  llvm::Expected<std::vector<Outputs>> run();

  mlir::func::FuncOp func;
  AllocationUnits &units;
  TrialOptions options;
  std::unique_ptr<EvaluationModel> model;
  std::vector<Sample> samples;
  std::vector<Outputs> reference; ///< a sample each
  bool distributions = true;
  double userReference = 0;
  std::string dataDigest;
  std::vector<std::string> kept;
  std::vector<bool> stored; ///< of each class: all its values are
  /// By class and format: the grid of each value name.
  std::vector<std::map<std::string, llvm::StringMap<ActivationGrid>>> grids;
  std::vector<std::map<std::string, double>> activationErrors;
  /// Some rows of each unit's float input, [group][row][column]; empty where it is not known.
  std::vector<std::vector<float>> rows;
  std::vector<std::string> present; ///< format that each unit's weight has in the model now
  std::list<std::pair<std::pair<unsigned, std::string>, Rounded>> cache; ///< last used first
  uint64_t cached = 0, count = 0;
};

} // namespace bitwright

#endif
