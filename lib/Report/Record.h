//===- Record.h - everything that a report shows, as data -------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// A compilation as plain structs, and their JSON form ("the twin", docs/Report.md), from which alone the page is made.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_LIB_REPORT_RECORD_H
#define BITWRIGHT_LIB_REPORT_RECORD_H

#include "lib/Statistics/Histogram.h"
#include "llvm/Support/JSON.h"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace bitwright {
struct Decisions;
struct ValueStatistics;
} // namespace bitwright

namespace bitwright::report {

/// A figure that may be unknown. Unknown ones are left out of the JSON, and so are NaN and infinity (with a note).
using Figure = std::optional<double>;

/// One way to execute a layer, as the solver saw it.
struct Option {
  std::string weight, activation;
  double loss = 0;
  std::map<std::string, double> costs;
};

/// An operation, or a class of activations, that takes part in the decisions; in program order.
struct Layer {
  std::string name, kind, shape;
  std::string weight, activation; ///< formats such as `s4`; empty: none
  std::string scheme;             ///< the rest of the weight's scheme: `per channel, mse`
  double elements = 0;            ///< of the weight
  Figure bits;                    ///< a weight element, with scales and zero points
  Figure bytes;                   ///< of the weight
  Figure loss;                    ///< of the chosen formats, alone
  Figure sensitivity;             ///< loss with the narrowest weight (or activation) format that was measured
  std::string sensitivityChoice;  ///< that format
  Figure weightSqnr, outputSqnr;  ///< dB
  std::vector<Option> options;
  std::string alternative;                  ///< the next best choice; empty: there is only one
  Figure alternativeLoss, alternativePrice; ///< solver::Alternative
  std::string reason;                       ///< why these formats
};

/// Values that share a grid, and the histogram of the first of them.
struct Activation {
  std::string name, format;
  unsigned values = 1;             ///< that share the grid
  Range range;                     ///< what the grid's codes reach
  Range extremes;                  ///< what calibration saw
  double clipped = 0;              ///< part of the elements more than half a step outside `range`, 0 to 1
  Figure sqnr;                     ///< dB, expected of rounding and clipping on this grid, from the histogram
  double binLow = 0, binWidth = 0; ///< of the first bin
  std::vector<uint64_t> counts;
};

struct FloatOperation {
  std::string name, kind, reason;
};

/// A remark of a pass (MLIR remarks): `stage` is its category, `good` false for something that was not possible.
struct RemarkLine {
  std::string stage, name, kind, text;
  bool good = true;
};

struct BudgetLine {
  std::string text, quantity, unit; ///< `text` as the user wrote it; figures are in `unit`
  double limit = 0, used = 0, shadowPrice = 0;
};

/// A plan on the budget-loss plane.
struct ParetoMark {
  double limit = 0, used = 0, loss = 0, averageBits = 0;
};

struct Trial {
  std::string name;
  std::string kind; ///< chosen, uniform, random, same size (random plans like the chosen one) or other
  double predicted = 0, measured = 0;
  Figure used; ///< of the first budget's quantity, in its unit
  std::map<std::string, double> metrics;
};

struct AllocationRecord {
  std::string lossName, status, method;
  double predicted = 0, bound = 0, gap = 0;
  Figure measured;        ///< loss of the chosen plan, with all choices at once
  Figure measuredLatency; ///< ms of the whole network with the chosen plan
  double averageBits = 0;
  std::map<std::string, double> totals; ///< by metric: `bytes`, `bops`, `latency`, ...
  std::vector<BudgetLine> budgets;
  std::vector<ParetoMark> pareto; ///< over the first budget
  std::vector<Trial> trials;
  unsigned pairTerms = 0;
  /// Over the random plans: Kendall's tau of `predicted` and of each metric against measured loss.
  std::map<std::string, double> kendall;
};

struct Record {
  std::string tool;          ///< `quant-compile 0.1.0`
  std::string model, recipe; ///< file names, or the name of a built-in recipe
  std::string machine;       ///< processor and instruction sets compiled for
  std::string graphDigest, dataDigest;
  Figure samples;                                        ///< of calibration
  Figure fileWeightBytes, arenaBytes, kernels, launches; ///< of the .bwm file
  std::string plan;                                      ///< file of --plan-in
  std::optional<AllocationRecord> allocation;
  std::vector<Layer> layers;
  std::vector<Activation> activations;
  std::vector<FloatOperation> floats;
  std::vector<RemarkLine> remarks;
};

/// The JSON form. Figures that are not finite are left out and named under `omitted`; text that is not UTF-8 is mended.
llvm::json::Value toJson(const Record &record);

/// Fills `record.allocation` and, for every unit of the problem, a layer: an existing one of that name (what is known
/// from the graph stays) or a new one. Layers are put into the order of the problem, others behind them.
void addDecisions(Record &record, const Decisions &decisions);

/// Range, histogram (at most `maxBins` bins over the observed range) and expected error of a value on the grid with
/// this step that reaches `range`.
Activation describeActivation(const ValueStatistics &statistics, Range range, double step, unsigned maxBins = 96);

/// 10 log10(signal / noise); none when either is not positive.
Figure decibels(double signal, double noise);

} // namespace bitwright::report

#endif
