//===- Record.cpp - the JSON form of a report -----------------------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "lib/Report/Record.h"
#include "lib/Statistics/Statistics.h"

#include <cmath>

using namespace bitwright;
using namespace bitwright::report;
namespace json = llvm::json;

namespace {
std::string mended(const std::string &text) { return json::isUTF8(text) ? text : json::fixUTF8(text); }

/// Builds objects and remembers what could not be written.
class Writer {
public:
  json::Array omitted;

  /// The key is copied: the object would only refer to its text.
  void number(json::Object &object, llvm::StringRef key, double value, const std::string &where) {
    if (std::isfinite(value)) {
      // Whole numbers without an exponent or a fraction, as scripts expect counts.
      if (value == std::floor(value) && std::fabs(value) < 9007199254740992.0)
        object[key.str()] = int64_t(value);
      else
        object[key.str()] = value;
    } else {
      omitted.push_back(mended(where + ": " + key.str() + " is not finite"));
    }
  }
  void number(json::Object &object, llvm::StringRef key, Figure value, const std::string &where) {
    if (value)
      number(object, key, *value, where);
  }
  static void text(json::Object &object, llvm::StringRef key, const std::string &value) {
    if (!value.empty())
      object[key] = mended(value);
  }
  json::Object numbers(const std::map<std::string, double> &values, const std::string &where) {
    json::Object object;
    for (auto &[key, value] : values)
      number(object, mended(key), value, where);
    return object;
  }

  json::Value layer(const Layer &layer) {
    json::Object object;
    std::string where = "layer " + layer.name;
    object["name"] = mended(layer.name);
    text(object, "kind", layer.kind);
    text(object, "shape", layer.shape);
    text(object, "weight", layer.weight);
    text(object, "activation", layer.activation);
    text(object, "scheme", layer.scheme);
    if (layer.elements > 0)
      number(object, "elements", layer.elements, where);
    number(object, "bits", layer.bits, where);
    number(object, "bytes", layer.bytes, where);
    number(object, "loss", layer.loss, where);
    number(object, "sensitivity", layer.sensitivity, where);
    text(object, "sensitivity_choice", layer.sensitivityChoice);
    number(object, "weight_sqnr_db", layer.weightSqnr, where);
    number(object, "output_sqnr_db", layer.outputSqnr, where);
    json::Array options;
    for (const Option &option : layer.options) {
      json::Object entry;
      text(entry, "weight", option.weight);
      text(entry, "activation", option.activation);
      number(entry, "loss", option.loss, where);
      entry["costs"] = numbers(option.costs, where);
      options.push_back(std::move(entry));
    }
    if (!options.empty())
      object["choices"] = std::move(options);
    if (!layer.alternative.empty()) {
      json::Object alternative{{"choice", mended(layer.alternative)}};
      number(alternative, "loss_change", layer.alternativeLoss, where);
      number(alternative, "price", layer.alternativePrice, where);
      object["alternative"] = std::move(alternative);
    }
    text(object, "reason", layer.reason);
    return object;
  }

  json::Value activation(const Activation &activation) {
    std::string where = "activation " + activation.name;
    json::Object object{{"name", mended(activation.name)}, {"format", mended(activation.format)}};
    object["values"] = int64_t(activation.values);
    number(object, "low", activation.range.low, where);
    number(object, "high", activation.range.high, where);
    number(object, "smallest", activation.extremes.low, where);
    number(object, "largest", activation.extremes.high, where);
    number(object, "clipped", activation.clipped, where);
    number(object, "sqnr_db", activation.sqnr, where);
    if (!activation.counts.empty()) {
      json::Object histogram;
      number(histogram, "low", activation.binLow, where);
      number(histogram, "width", activation.binWidth, where);
      json::Array counts;
      for (uint64_t count : activation.counts)
        counts.push_back(int64_t(count));
      histogram["counts"] = std::move(counts);
      object["histogram"] = std::move(histogram);
    }
    return object;
  }

  json::Value allocation(const AllocationRecord &allocation) {
    std::string where = "allocation";
    json::Object object;
    text(object, "loss_name", allocation.lossName);
    text(object, "status", allocation.status);
    text(object, "method", allocation.method);
    number(object, "predicted", allocation.predicted, where);
    number(object, "measured", allocation.measured, where);
    number(object, "measured_latency", allocation.measuredLatency, where);
    number(object, "bound", allocation.bound, where);
    number(object, "gap", allocation.gap, where);
    json::Object totals = numbers(allocation.totals, where);
    number(totals, "average_bits", allocation.averageBits, where);
    object["totals"] = std::move(totals);
    json::Array budgets;
    for (const BudgetLine &budget : allocation.budgets) {
      json::Object entry;
      text(entry, "text", budget.text);
      text(entry, "quantity", budget.quantity);
      text(entry, "unit", budget.unit);
      number(entry, "limit", budget.limit, "budget " + budget.text);
      number(entry, "used", budget.used, "budget " + budget.text);
      number(entry, "shadow_price", budget.shadowPrice, "budget " + budget.text);
      budgets.push_back(std::move(entry));
    }
    object["budgets"] = std::move(budgets);
    json::Array pareto;
    for (const ParetoMark &mark : allocation.pareto) {
      json::Object entry;
      number(entry, "limit", mark.limit, "pareto");
      number(entry, "used", mark.used, "pareto");
      number(entry, "loss", mark.loss, "pareto");
      number(entry, "average_bits", mark.averageBits, "pareto");
      pareto.push_back(std::move(entry));
    }
    object["pareto"] = std::move(pareto);
    json::Array trials;
    for (const Trial &trial : allocation.trials) {
      std::string trialWhere = "trial " + trial.name;
      json::Object entry{{"name", mended(trial.name)}, {"kind", mended(trial.kind)}};
      number(entry, "predicted", trial.predicted, trialWhere);
      number(entry, "measured", trial.measured, trialWhere);
      number(entry, "used", trial.used, trialWhere);
      if (!trial.metrics.empty())
        entry["metrics"] = numbers(trial.metrics, trialWhere);
      trials.push_back(std::move(entry));
    }
    object["trials"] = std::move(trials);
    object["pair_terms"] = int64_t(allocation.pairTerms);
    if (!allocation.kendall.empty())
      object["kendall"] = numbers(allocation.kendall, "rank check");
    return object;
  }
};

/// Elements below `limit`, bins cut in proportion.
double countBelow(const Histogram &histogram, double limit) {
  double sum = 0;
  for (auto [i, count] : llvm::enumerate(histogram.getBins())) {
    double low = histogram.edge(int(i)), width = histogram.binWidth();
    if (limit <= low)
      break;
    sum += double(count) * std::min(1.0, (limit - low) / width);
  }
  return sum;
}
} // namespace

Figure report::decibels(double signal, double noise) {
  if (!(signal > 0) || !(noise > 0) || !std::isfinite(signal / noise))
    return std::nullopt;
  return 10 * std::log10(signal / noise);
}

Activation report::describeActivation(const ValueStatistics &statistics, Range range, double step, unsigned maxBins) {
  Activation result;
  result.range = range;
  result.extremes = statistics.extremes;
  const Histogram &histogram = statistics.histogram;
  if (histogram.empty() || histogram.total() == 0)
    return result;
  double total = double(histogram.total());
  // Up to half a step beyond its ends the grid rounds as it does inside. Where an extreme lies no further out nothing
  // is clipped, whatever part of its bin lies beyond.
  double low = range.low - step / 2, high = range.high + step / 2;
  bool below = statistics.extremes.low<low, above = statistics.extremes.high> high;
  double outside = (below ? countBelow(histogram, low) : 0) + (above ? total - countBelow(histogram, high) : 0);
  result.clipped = std::clamp(outside / total, 0.0, 1.0);

  // Rounding inside the range: step^2 / 12 (uniform over a step); outside: the distance to the border, at bin centres.
  double noise = (total - outside) * step * step / 12, width = histogram.binWidth();
  int first = Histogram::binCount, last = -1;
  for (auto [i, count] : llvm::enumerate(histogram.getBins())) {
    if (!count)
      continue;
    first = std::min(first, int(i));
    last = std::max(last, int(i));
    double centre = histogram.edge(int(i)) + width / 2;
    double beyond = below && centre < low ? range.low - centre : above && centre > high ? centre - range.high : 0;
    noise += double(count) * beyond * beyond;
  }
  result.sqnr = decibels(statistics.sumOfSquares / double(statistics.count) * total, noise);

  unsigned bins = unsigned(last - first + 1), merge = std::max(1u, (bins + maxBins - 1) / maxBins);
  result.binLow = histogram.edge(first);
  result.binWidth = width * merge;
  result.counts.assign((bins + merge - 1) / merge, 0);
  for (int i = first; i <= last; ++i)
    result.counts[unsigned(i - first) / merge] += histogram.getBins()[size_t(i)];
  return result;
}

json::Value report::toJson(const Record &record) {
  Writer writer;
  json::Object object{{"kind", "quantization report"}, {"version", 1}};
  Writer::text(object, "tool", record.tool);
  Writer::text(object, "model", record.model);
  Writer::text(object, "recipe", record.recipe);
  Writer::text(object, "plan", record.plan);
  Writer::text(object, "machine", record.machine);
  json::Object digests;
  Writer::text(digests, "graph", record.graphDigest);
  Writer::text(digests, "data", record.dataDigest);
  object["digests"] = std::move(digests);
  json::Object file;
  writer.number(file, "weight_bytes", record.fileWeightBytes, "file");
  writer.number(file, "arena_bytes", record.arenaBytes, "file");
  writer.number(file, "kernels", record.kernels, "file");
  writer.number(file, "launches", record.launches, "file");
  object["file"] = std::move(file);
  writer.number(object, "samples", record.samples, "calibration");
  if (record.allocation)
    object["allocation"] = writer.allocation(*record.allocation);
  json::Array layers, activations, floats, remarks;
  for (const Layer &layer : record.layers)
    layers.push_back(writer.layer(layer));
  for (const Activation &activation : record.activations)
    activations.push_back(writer.activation(activation));
  for (const FloatOperation &operation : record.floats)
    floats.push_back(json::Object{
        {"name", mended(operation.name)}, {"kind", mended(operation.kind)}, {"reason", mended(operation.reason)}});
  for (const RemarkLine &remark : record.remarks)
    remarks.push_back(json::Object{{"stage", mended(remark.stage)},
                                   {"name", mended(remark.name)},
                                   {"kind", mended(remark.kind)},
                                   {"good", remark.good},
                                   {"text", mended(remark.text)}});
  object["layers"] = std::move(layers);
  object["activations"] = std::move(activations);
  object["floats"] = std::move(floats);
  object["remarks"] = std::move(remarks);
  object["omitted"] = std::move(writer.omitted);
  return object;
}
