//===- PlanTrials.cpp - what a choice of formats does to the output ---------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "lib/Evaluate/PlanTrials.h"
#include "lib/Evaluate/Costs.h"
#include "lib/Statistics/Statistics.h"
#include "lib/Weights/WeightStore.h"
#include "passes/Transform/CorrectBias/CorrectBias.h"
#include <cmath>
#include <cstring>

using namespace mlir;
using namespace bitwright;

namespace {

/// Samples whose activations are looked at, and the bytes of rows that a unit keeps.
constexpr unsigned lookedAt = 4;
constexpr int64_t rowsOfSample = 64, rowBytes = 4 << 20;

size_t rowSize(const EvaluatedOutput &output) { return output.shape.empty() ? 1 : size_t(output.shape.back()); }

bool rowsAreDistributions(const EvaluatedOutput &output) {
  size_t size = rowSize(output);
  if (size < 2)
    return false;
  for (size_t i = 0; i < output.values.size(); i += size) {
    double sum = 0;
    for (size_t j = i; j < i + size; ++j) {
      if (!(output.values[j] >= 0))
        return false;
      sum += double(output.values[j]);
    }
    if (std::fabs(sum - 1) > 1e-3)
      return false;
  }
  return true;
}

/// Mean over rows of sum p log(p / q) - p + q, which no rounding of the rows' sums makes negative; probabilities below
/// 1e-9 count as that.
double divergence(const EvaluatedOutput &p, const EvaluatedOutput &q) {
  double sum = 0;
  for (size_t i = 0; i < p.values.size(); ++i) {
    double a = std::max(1e-9, double(p.values[i])), b = double(q.values[i]);
    b = b < 1e-9 ? 1e-9 : b; // NaN stays
    sum += a * std::log(a / b) - a + b;
  }
  return p.values.empty() ? 0 : sum * double(rowSize(p)) / double(p.values.size());
}

double relativeError(const EvaluatedOutput &reference, const EvaluatedOutput &found) {
  double error = 0, size = 1e-30;
  for (size_t i = 0; i < reference.values.size(); ++i) {
    double d = double(found.values[i]) - double(reference.values[i]);
    error += d * d;
    size += double(reference.values[i]) * double(reference.values[i]);
  }
  return error / size;
}

/// Appends `count` rows of a product's input, evenly spaced, a run of rows for each group (`perGroup[g]`).
void gatherRows(const ProductGeometry &geometry, ArrayRef<float> values, ArrayRef<int64_t> shape, int64_t count,
                std::vector<std::vector<float>> &perGroup) {
  perGroup.resize(size_t(geometry.groups));
  if (geometry.kernel.empty()) {
    int64_t all = int64_t(values.size()) / geometry.columns;
    for (int64_t i = 0; i < std::min(all, count); ++i) {
      const float *row = values.data() + i * all / std::min(all, count) * geometry.columns;
      perGroup[0].insert(perGroup[0].end(), row, row + geometry.columns);
    }
    return;
  }
  size_t spatial = geometry.kernel.size();
  int64_t positions = 1, taps = 1, area = 1, channels = shape[1] / geometry.groups;
  SmallVector<int64_t, 3> output;
  for (size_t d = 0; d < spatial; ++d) {
    int64_t extent = geometry.dilations[d] * (geometry.kernel[d] - 1) + 1;
    output.push_back((shape[2 + d] + geometry.padsLow[d] + geometry.padsHigh[d] - extent) / geometry.strides[d] + 1);
    positions *= output[d];
    taps *= geometry.kernel[d];
    area *= shape[2 + d];
  }
  int64_t all = shape[0] * positions;
  for (int64_t i = 0; i < std::min(all, count); ++i) {
    int64_t window = i * all / std::min(all, count);
    const float *image = values.data() + window / positions * shape[1] * area;
    for (int64_t channel = 0; channel < shape[1]; ++channel)
      for (int64_t tap = 0; tap < taps; ++tap) {
        int64_t p = window % positions, t = tap, offset = 0, stride = 1;
        bool inside = true;
        for (size_t d = spatial; d-- > 0;) {
          int64_t at = p % output[d] * geometry.strides[d] - geometry.padsLow[d] +
                       t % geometry.kernel[d] * geometry.dilations[d];
          inside &= at >= 0 && at < shape[2 + d];
          p /= output[d];
          t /= geometry.kernel[d];
          offset += at * stride;
          stride *= shape[2 + d];
        }
        perGroup[size_t(channel / channels)].push_back(inside ? image[channel * area + offset] : 0.0f);
      }
  }
}

/// sum |dW x|^2 / sum |W x|^2 over rows x; negative where the denominator is nothing.
double relativeOutputError(ArrayRef<float> weight, ArrayRef<float> rounded, ArrayRef<float> rows, int64_t groups,
                           int64_t columns) {
  int64_t outputs = int64_t(weight.size()) / columns, each = int64_t(rows.size()) / groups / columns;
  double error = 0, size = 0;
  for (int64_t o = 0; o < outputs; ++o) {
    const float *w = weight.data() + o * columns, *r = rounded.data() + o * columns;
    const float *x = rows.data() + o / (outputs / groups) * each * columns;
    for (int64_t i = 0; i < each; ++i, x += columns) {
      float y = 0, d = 0;
      for (int64_t k = 0; k < columns; ++k) {
        y += w[k] * x[k];
        d += (r[k] - w[k]) * x[k];
      }
      size += double(y) * double(y);
      error += double(d) * double(d);
    }
  }
  return size > 0 ? error / size : -1;
}

/// The reshapes and transposes that make `value` of what is stored as `stored`, first one first; none: something else
/// does.
std::optional<SmallVector<Operation *>> movedFrom(Value value, llvm::StringRef stored) {
  // A copy in another order of memory is the same tensor.
  if (size_t at = stored.rfind("/layout"); at != llvm::StringRef::npos)
    stored = stored.take_front(at);
  SmallVector<Operation *> chain;
  while (getValueName(value) != stored) {
    Operation *op = value.getDefiningOp();
    if (!isa_and_nonnull<qnn::ReshapeOp, qnn::TransposeOp>(op))
      return std::nullopt;
    chain.insert(chain.begin(), op);
    value = op->getOperand(0);
  }
  return chain;
}

std::vector<float> transposed(ArrayRef<float> values, ArrayRef<int64_t> shape, ArrayRef<int64_t> permutation) {
  SmallVector<int64_t> strides(shape.size(), 1), index(shape.size(), 0);
  for (size_t d = shape.size(); d-- > 1;)
    strides[d - 1] = strides[d] * shape[d];
  std::vector<float> result(values.size());
  for (float &to : result) {
    int64_t from = 0;
    for (size_t d = 0; d < shape.size(); ++d)
      from += index[d] * strides[size_t(permutation[d])];
    to = values[size_t(from)];
    for (size_t d = shape.size(); d-- > 0 && ++index[d] == shape[size_t(permutation[d])];)
      index[d] = 0;
  }
  return result;
}

ArrayRef<float> floatsOf(const formats::NpyArray &array) {
  return {reinterpret_cast<const float *>(array.data.data()), array.data.size() / 4};
}

} // namespace

llvm::Expected<std::unique_ptr<PlanTrials>> PlanTrials::create(func::FuncOp func, AllocationUnits &units,
                                                               CalibrationData &data, const TrialOptions &options) {
  std::unique_ptr<PlanTrials> trials(new PlanTrials(func, units, options));
  if (llvm::Error error = trials->readSamples(data))
    return std::move(error);
  llvm::StringSet<> names, missing;
  for (const ActivationClass &entry : units.classes)
    for (Value value : entry.values)
      names.insert(getValueName(value));
  for (const AllocationUnit &unit : units.units)
    if (unit.product)
      names.insert(getValueName(unit.product->getOperand(0)));
  auto model = EvaluationModel::create(func, names, options.threads, &missing);
  if (!model)
    return model.takeError();
  trials->model = std::move(*model);
  for (ActivationClass &entry : units.classes) {
    bool stored = llvm::none_of(entry.values, [&](Value value) { return missing.contains(getValueName(value)); });
    trials->stored.push_back(stored);
    if (stored)
      continue;
    trials->kept.push_back(entry.name);
    entry.formats = {QuantizerPlacement::storageOf(entry.values.front()).str()};
  }
  for (AllocationUnit &unit : units.units) {
    if (!unit.product || trials->canChange(unit))
      continue;
    trials->kept.push_back(unit.name);
    unit.weights = {unit.product->getAttrOfType<qnn::SchemeAttr>(weightSchemeAttr).getStorage().str()};
  }
  trials->present.resize(units.units.size());
  trials->findGrids();
  if (llvm::Error error = trials->look())
    return std::move(error);
  auto outputs = trials->run();
  if (!outputs)
    return outputs.takeError();
  trials->reference = std::move(*outputs);
  for (const Outputs &sample : trials->reference)
    for (const EvaluatedOutput &output : sample) {
      trials->distributions &= rowsAreDistributions(output);
      if (llvm::any_of(output.values, [](float v) { return !std::isfinite(v); }))
        return llvm::createStringError("the float network's output is not finite on the calibration data: expected "
                                       "finite values to compare with");
    }
  if (options.userMetric) {
    auto answer = options.userMetric->ask("reference", trials->model->outputNames(), trials->reference);
    if (!answer)
      return answer.takeError();
    trials->userReference = *answer;
  }
  return trials;
}

llvm::Error PlanTrials::readSamples(CalibrationData &data) {
  llvm::Error error = data.forEach([&](const Sample &sample) -> llvm::Error {
    if (samples.size() < options.maxSamples)
      samples.push_back(sample);
    return llvm::Error::success();
  });
  dataDigest = data.getDigest();
  return error;
}

bool PlanTrials::canChange(const AllocationUnit &unit) const { return unit.product && model->hasWeight(unit.name); }

std::string PlanTrials::lossName() const {
  return distributions ? "KL of the output" : "relative squared error of the output";
}

void PlanTrials::findGrids() {
  grids.resize(units.classes.size());
  activationErrors.resize(units.classes.size());
  llvm::StringSet<> formats;
  for (const ActivationClass &entry : units.classes)
    for (const std::string &format : entry.formats)
      formats.insert(format);
  // Grids follow from what the schemes say: they are set for the question and put back.
  auto placement = QuantizerPlacement::compute(func);
  SmallVector<std::pair<Value, Attribute>> before;
  auto schemeOf = [&](Value value) -> Attribute {
    if (Operation *op = value.getDefiningOp())
      return op->getAttr(activationSchemeAttr);
    return func.getArgAttr(cast<BlockArgument>(value).getArgNumber(), activationSchemeAttr);
  };
  for (const ActivationClass &entry : units.classes)
    for (Value value : entry.values)
      before.push_back({value, schemeOf(value)});
  for (const auto &format : formats) {
    for (const auto &[value, scheme] : before)
      setActivationStorage(value, format.getKey());
    llvm::MapVector<Value, Grid> found = placement.grids();
    for (auto [index, entry] : llvm::enumerate(units.classes)) {
      if (!stored[index] || !llvm::is_contained(entry.formats, format.getKey()))
        continue;
      int bits = placement.codeBits(entry.values); // fewer than 16 where a sum of products would leave 32 bits
      llvm::StringMap<ActivationGrid> &into = grids[index][format.getKey().str()];
      for (Value value : entry.values) {
        Grid grid = found[value];
        into[getValueName(value)] = {grid.scale, grid.zeroPoint, -(1 << (bits - 1)), (1 << (bits - 1)) - 1};
      }
    }
  }
  for (const auto &[value, scheme] : before) {
    if (Operation *op = value.getDefiningOp()) {
      scheme ? op->setAttr(activationSchemeAttr, scheme) : (void)op->removeAttr(activationSchemeAttr);
      continue;
    }
    unsigned number = cast<BlockArgument>(value).getArgNumber();
    scheme ? func.setArgAttr(number, activationSchemeAttr, scheme)
           : (void)func.removeArgAttr(number, activationSchemeAttr);
  }
}

/// Rows of the products' inputs, and the rounding errors of the activations, from the first samples.
llvm::Error PlanTrials::look() {
  struct Reader {
    unsigned unit;
    ProductGeometry geometry;
    SmallVector<Operation *> moves; ///< between what is stored and the input
  };
  llvm::StringMap<std::vector<Reader>> readers;
  llvm::StringMap<SmallVector<std::pair<unsigned, std::string>>> classOf; // class, value name
  SmallVector<std::vector<std::vector<float>>> gathered(units.units.size());
  rows.resize(units.units.size());
  for (auto [index, unit] : llvm::enumerate(units.units)) {
    auto geometry = unit.product ? ProductGeometry::of(unit.product) : std::nullopt;
    if (!geometry)
      continue;
    Value input = unit.product->getOperand(0);
    llvm::StringRef stored = model->storedName(geometry->input);
    if (stored.empty())
      continue;
    if (auto moves = movedFrom(input, stored))
      readers[stored].push_back({unsigned(index), *geometry, std::move(*moves)});
  }
  for (auto [index, entry] : llvm::enumerate(units.classes))
    for (Value value : entry.values)
      if (stored[index])
        classOf[model->storedName(getValueName(value))].push_back({unsigned(index), getValueName(value)});
  // By class and format: sums of squared errors and of squares.
  std::vector<std::map<std::string, std::pair<double, double>>> sums(units.classes.size());
  unsigned looked = std::min<unsigned>(lookedAt, unsigned(samples.size()));
  std::optional<DimensionValues> dims; // of the present sample
  auto show = [&](llvm::StringRef name, ArrayRef<int64_t> storedShape, ArrayRef<float> values) {
    for (const Reader &reader : readers.lookup(name)) {
      SmallVector<int64_t> shape(storedShape);
      std::vector<float> moved(values.begin(), values.end());
      for (Operation *op : reader.moves) {
        if (auto transpose = dyn_cast<qnn::TransposeOp>(op))
          moved = transposed(moved, shape, transpose.getPerm());
        shape = dims->shapeOf(op->getResult(0));
      }
      int64_t bytes = 4 * reader.geometry.groups * reader.geometry.columns;
      bool sized = reader.geometry.kernel.empty() ? int64_t(values.size()) % reader.geometry.columns == 0
                                                  : shape.size() == reader.geometry.kernel.size() + 2;
      if (sized)
        gatherRows(reader.geometry, moved, shape,
                   std::min(rowsOfSample, std::max<int64_t>(1, rowBytes / looked / bytes)), gathered[reader.unit]);
    }
    std::pair<unsigned, std::string> previous = {~0u, ""};
    for (const auto &entry : classOf.lookup(name)) {
      if (entry.first == previous.first) // another name of the same memory
        continue;
      previous = entry;
      for (const auto &[format, ofValues] : grids[entry.first]) {
        const ActivationGrid &grid = ofValues.find(entry.second)->second;
        double error = 0, size = 0;
        for (float v : values) {
          double q = std::nearbyint(double(v / grid.scale));
          q = std::max(double(grid.low - grid.zeroPoint), std::min(double(grid.high - grid.zeroPoint), q));
          double d = q * double(grid.scale) - double(v);
          error += d * d;
          size += double(v) * double(v);
        }
        auto &sum = sums[entry.first][format];
        sum.first += error;
        sum.second += size;
      }
    }
  };
  for (unsigned i = 0; i < looked; ++i) {
    auto sizes = DimensionValues::create(func, samples[i]);
    if (!sizes)
      return sizes.takeError();
    dims = std::move(*sizes);
    if (llvm::Error error = model->capture(samples[i], show))
      return error;
    for (auto [argument, array] : llvm::zip(func.getArguments(), samples[i].inputs))
      if (array.kind == 'f' && array.itemSize == 4)
        show(getValueName(argument), array.shape, floatsOf(array));
  }
  for (auto [index, byFormat] : llvm::enumerate(sums))
    for (const auto &[format, sum] : byFormat)
      activationErrors[index][format] = sum.second > 0 ? sum.first / sum.second : 0;
  for (auto [index, perGroup] : llvm::enumerate(gathered))
    for (const std::vector<float> &group : perGroup)
      rows[index].insert(rows[index].end(), group.begin(), group.end());
  return llvm::Error::success();
}

double PlanTrials::activationError(unsigned activationClass, llvm::StringRef format) const {
  auto it = activationErrors[activationClass].find(format.str());
  return it == activationErrors[activationClass].end() ? 0 : it->second;
}

Trial PlanTrials::none() const {
  return {std::vector<std::string>(units.units.size()), std::vector<std::string>(units.classes.size())};
}

Trial PlanTrials::of(const solver::AllocationProblem &problem, ArrayRef<unsigned> choices) const {
  Trial trial = none();
  for (auto [index, unit] : llvm::enumerate(units.units)) {
    const solver::Choice &choice = problem.groups[index].choices[choices[index]];
    if (unit.product)
      trial.weights[index] = choice.weight;
    if (unit.activation >= 0)
      trial.activations[size_t(unit.activation)] = choice.activation;
  }
  return trial;
}

llvm::Expected<const PlanTrials::Rounded *> PlanTrials::rounded(unsigned index, llvm::StringRef format) {
  std::pair<unsigned, std::string> key(index, format.str());
  for (auto it = cache.begin(); it != cache.end(); ++it)
    if (it->first == key) {
      cache.splice(cache.begin(), cache, it);
      return &cache.front().second;
    }
  const AllocationUnit &unit = units.units[index];
  Operation *op = unit.product;
  Attribute before = op->getAttr(weightSchemeAttr);
  op->setAttr(weightSchemeAttr, weightSchemeWith(op, format));
  auto weight = quantizeWeightOf(op, /*inputScale=*/0);
  op->setAttr(weightSchemeAttr, before);
  if (failed(weight))
    return llvm::createStringError("the weight of '" + unit.name + "' cannot be rounded to " + format);
  Rounded result;
  std::vector<float> original = toFloats(*getConstant(getWeightOf(op)));
  double error = 0, size = 0;
  for (size_t i = 0; i < original.size(); ++i) {
    double value = weight->valueAt(int64_t(i)), d = value - double(original[i]);
    result.weight.push_back(float(value));
    error += d * d;
    size += double(original[i]) * double(original[i]);
  }
  result.errors.weight = size > 0 ? error / size : 0;
  auto geometry = ProductGeometry::of(op);
  if (geometry && !rows[index].empty())
    result.errors.output =
        relativeOutputError(original, result.weight, rows[index], geometry->groups, geometry->columns);
  std::shared_ptr<const Statistics> statistics =
      func.getContext()->getOrLoadDialect<qnn::QnnDialect>()->getStatistics();
  if (options.biasCorrection && statistics && model->hasBias(unit.name))
    if (const ValueStatistics *input = statistics->lookup(getValueName(op->getOperand(0))))
      if (auto shift = biasShift(op, *weight, input->channelMeans())) {
        result.bias = model->biasOf(unit.name);
        for (size_t i = 0; i < result.bias.size(); ++i)
          result.bias[i] = float(result.bias[i] - (*shift)[i]);
      }
  cached += (result.weight.size() + result.bias.size()) * 4;
  cache.emplace_front(key, std::move(result));
  while (cached > options.cacheBytes && cache.size() > 1) {
    cached -= (cache.back().second.weight.size() + cache.back().second.bias.size()) * 4;
    cache.pop_back();
  }
  return &cache.front().second;
}

llvm::Expected<WeightErrors> PlanTrials::weightErrors(unsigned unit, llvm::StringRef format) {
  auto found = rounded(unit, format);
  if (!found)
    return found.takeError();
  return (*found)->errors;
}

llvm::Error PlanTrials::apply(const Trial &trial) {
  for (auto [index, unit] : llvm::enumerate(units.units)) {
    if (!canChange(unit) || present[index] == trial.weights[index])
      continue;
    present[index] = "?"; // if what follows fails
    if (trial.weights[index].empty()) {
      if (llvm::Error error = model->restoreWeight(unit.name))
        return error;
      if (model->hasBias(unit.name))
        if (llvm::Error error = model->setBias(unit.name, std::vector<float>(model->biasOf(unit.name))))
          return error;
    } else {
      auto found = rounded(unsigned(index), trial.weights[index]);
      if (!found)
        return found.takeError();
      if (llvm::Error error = model->setWeight(unit.name, (*found)->weight))
        return error;
      if (model->hasBias(unit.name))
        if (llvm::Error error = model->setBias(
                unit.name, (*found)->bias.empty() ? std::vector<float>(model->biasOf(unit.name)) : (*found)->bias))
          return error;
    }
    present[index] = trial.weights[index];
  }
  llvm::StringMap<ActivationGrid> active;
  for (auto [index, format] : llvm::enumerate(trial.activations)) {
    if (format.empty() || !stored[index])
      continue;
    auto it = grids[index].find(format);
    if (it == grids[index].end())
      return llvm::createStringError("the values of '" + units.classes[index].name + "' have no grid of " + format);
    for (const auto &grid : it->second)
      active[grid.getKey()] = grid.getValue();
  }
  return model->setActivations(active);
}

llvm::Expected<std::vector<PlanTrials::Outputs>> PlanTrials::run() {
  std::vector<Outputs> all;
  for (const Sample &sample : samples) {
    auto outputs = model->run(sample);
    if (!outputs)
      return outputs.takeError();
    all.push_back(std::move(*outputs));
  }
  return all;
}

llvm::Expected<TrialLoss> PlanTrials::measure(const Trial &trial, const llvm::Twine &what) {
  if (llvm::Error error = apply(trial))
    return std::move(error);
  auto outputs = run();
  if (!outputs)
    return outputs.takeError();
  ++count;
  TrialLoss loss;
  for (auto [expected, found] : llvm::zip(reference, *outputs))
    for (auto [a, b] : llvm::zip(expected, found))
      loss.output += distributions ? divergence(a, b) : relativeError(a, b);
  loss.output /= double(std::max<size_t>(1, reference.size()));
  if (!std::isfinite(loss.output))
    return llvm::createStringError("the " + lossName() + " with " + what +
                                   " is not finite: expected outputs that stay finite when this is rounded; keep it in "
                                   "float by the recipe (keep_float)");
  if (options.userMetric) {
    auto answer = options.userMetric->ask("evaluate", model->outputNames(), *outputs);
    if (!answer)
      return answer.takeError();
    loss.user = *answer - userReference;
  }
  return loss;
}
