//===- WeightRounding.cpp - codes of the weight of a product ---------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "dialects/Qnn/CodeRange.h"
#include "lib/Rounding/Gptq.h"
#include "lib/Rounding/TwoLevel.h"
#include "lib/Statistics/Statistics.h"
#include "lib/Weights/WeightStore.h"
#include "passes/Quantize/QuantizableOps.h"
#include "passes/Quantize/RoundingMemo.h"
#include <cmath>

using namespace mlir;
using namespace bitwright::qnn;

namespace bitwright {

bool isWeightOnly(Operation *product) { return product->hasAttr(weightOnlyAttr); }

bool isPerToken(Operation *product) {
  auto input = product->getOperand(0).getDefiningOp<DequantizeOp>();
  return input && input.getInput().getDefiningOp<QuantizeDynamicOp>();
}

int64_t RoundedWeight::parameterOf(int64_t i) const {
  switch (scheme.getGranularity()) {
  case Granularity::Tensor:
    return 0;
  case Granularity::Group: {
    int64_t columns = shape[1];
    return i / columns * (columns / scheme.getGroup()) + i % columns / scheme.getGroup();
  }
  default: {
    int64_t inner = 1;
    for (size_t d = size_t(scheme.getAxis()) + 1; d < shape.size(); ++d)
      inner *= shape[d];
    return i / inner % shape[size_t(scheme.getAxis())];
  }
  }
}

double RoundedWeight::valueAt(int64_t i) const {
  size_t p = size_t(parameterOf(i));
  return double(codes[size_t(i)] - (zeroPoints.empty() ? 0 : zeroPoints[p])) * scales[p];
}

static WeightClip clipOf(Operation *product) {
  auto attr = product->getAttrOfType<StringAttr>(weightClipAttr);
  StringRef clip = attr ? attr.getValue() : "absmax";
  return clip == "mse" ? WeightClip::Mse : clip == "percentile" ? WeightClip::Percentile : WeightClip::AbsMax;
}

/// How ranges are chosen: the same for rounding to nearest and for GPTQ.
static UniformColumns::Options columnOptions(Operation *product) {
  UniformColumns::Options options;
  options.clip = clipOf(product);
  if (auto attr = product->getAttrOfType<FloatAttr>(weightPercentileAttr))
    options.percentile = attr.getValueAsDouble();
  return options;
}

/// Codes of fewer than 4 bits are stored in 4, of 5 to 7 in 8.
static StringRef storageOf(StringRef format) { return storageOfCodes(integerFormat(format)).getName(); }

/// Rounds with the second moments of the product's input, keeping the better of GPTQ and nearest; none (with the reason
/// in `result`) when there are none or the scheme is not row by row. `weights`: rows x columns.
static std::optional<BetterRounding> roundWithMoments(Operation *product, ArrayRef<double> weights, int64_t rows,
                                                      int64_t columns, int64_t group, const ColumnQuantizer &quantizer,
                                                      RoundedWeight &result) {
  auto rounding = product->getAttrOfType<StringAttr>(weightRoundingAttr);
  if (!rounding || rounding.getValue() != "gptq")
    return std::nullopt;
  auto statistics = product->getContext()->getOrLoadDialect<QnnDialect>()->getStatistics();
  const SecondMoments *moments = statistics ? statistics->lookupMoments(getName(product)) : nullptr;
  if (!moments) {
    result.gptqReason = "the statistics hold no second moments of its input";
    return std::nullopt;
  }
  if (moments->columns != columns || rows % moments->groups) {
    result.gptqReason = "the second moments are of " + std::to_string(moments->columns) +
                        " columns, its weights have " + std::to_string(columns);
    return std::nullopt;
  }
  GptqProblem problem{getName(product).str(), rows, columns, moments->groups, weights, moments->matrix};
  GptqOptions options;
  options.groupSize = group;
  auto better = roundKeepingBetter(problem, options, quantizer);
  if (!better) {
    result.gptqReason = llvm::toString(better.takeError());
    return std::nullopt;
  }
  result.gptqRatio = better->rtnError > 0 ? better->gptqError / better->rtnError : 1;
  return std::move(*better);
}

/// One scale (and zero point) a group of columns. Wants a matrix whose columns the group divides.
static FailureOr<RoundedWeight> roundGroups(Operation *product, SchemeAttr scheme, RankedTensorType type,
                                            ArrayRef<float> values) {
  int64_t group = scheme.getGroup();
  if (type.getRank() != 2 || type.getDimSize(1) % group)
    return product->emitOpError() << "'" << getName(product) << "': expected a weight N x K with a K that groups of "
                                  << group << " divide, found " << type,
           failure();
  int64_t rows = type.getDimSize(0), columns = type.getDimSize(1), groups = columns / group;
  RoundedWeight result;
  result.shape.assign(type.getShape().begin(), type.getShape().end());
  result.codes.resize(values.size());
  std::vector<double> weights(values.begin(), values.end());
  if (scheme.getGranularity() == Granularity::TwoLevel) {
    TwoLevelOptions options;
    options.groupSize = group;
    options.bits = bitsOf(scheme.getStorage());
    auto encode = [&]() -> llvm::Expected<TwoLevelWeight> {
      auto better = roundWithMoments(product, weights, rows, columns, group, TwoLevelColumns(options.bits), result);
      if (better)
        return static_cast<TwoLevelColumns &>(*better->quantizer).finish(getName(product), better->result.codes);
      return encodeTwoLevel(getName(product), weights, rows, columns, options);
    };
    auto encoded = encode();
    if (!encoded)
      return product->emitOpError() << llvm::toString(encoded.takeError()), failure();
    for (int64_t i = 0; i < rows * columns; ++i)
      result.codes[size_t(i)] = encoded->w8(i / columns, i % columns);
    result.scales = encoded->rowScales;
    result.scheme = SchemeAttr::get(product->getContext(), "s8", 0);
    result.twoLevelGroup = group;
    return result;
  }
  result.scheme = SchemeAttr::get(product->getContext(), storageOf(scheme.getStorage()), Granularity::Group, 1, group);
  // With zero points the codes are those of the unsigned format as wide, moved to the signed one.
  const IntegerFormat &format = integerFormat(scheme.getStorage());
  bool symmetric = !product->hasAttr(weightZeroPointAttr);
  UniformColumns nearest(integerFormat(symmetric, format.getBits()), columnOptions(product));
  const UniformColumns *fitted = &nearest;
  int32_t offset = symmetric ? 0 : -int32_t(format.lowest());
  auto better = roundWithMoments(product, weights, rows, columns, group, nearest, result);
  if (better) {
    fitted = static_cast<UniformColumns *>(better->quantizer.get());
    for (size_t i = 0; i < result.codes.size(); ++i)
      result.codes[i] = better->result.codes[i] - offset;
  } else {
    nearest.begin(weights.data(), rows, columns, group, groups);
    std::vector<double> importance(size_t(group), 1.0), column(static_cast<size_t>(rows)),
        decoded(static_cast<size_t>(rows));
    std::vector<int32_t> codes(static_cast<size_t>(rows));
    for (int64_t row = 0; row < rows; ++row)
      for (int64_t g = 0; g < groups; ++g)
        nearest.fit(row, g, ArrayRef<double>(weights).slice(size_t(row * columns + g * group), size_t(group)),
                    importance);
    for (int64_t k = 0; k < columns; ++k) {
      for (int64_t row = 0; row < rows; ++row)
        column[size_t(row)] = weights[size_t(row * columns + k)];
      nearest.round(0, k / group, column, codes.data(), decoded.data());
      for (int64_t row = 0; row < rows; ++row)
        result.codes[size_t(row * columns + k)] = codes[size_t(row)] - offset;
    }
  }
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t g = 0; g < groups; ++g) {
      result.scales.push_back(fitted->getScales()[size_t(g * rows + row)]);
      if (!symmetric)
        result.zeroPoints.push_back(fitted->getZeros()[size_t(g * rows + row)] - offset);
    }
  return result;
}

//===----------------------------------------------------------------------===//
// Accumulators of 32 bits (INTEGER R14)
//===----------------------------------------------------------------------===//

WeightSlices::WeightSlices(Operation *product) {
  auto type = cast<RankedTensorType>(getWeightOf(product).getType());
  shape.assign(type.getShape().begin(), type.getShape().end());
  if (auto conv = dyn_cast<ConvOp>(product))
    groups = int64_t(conv.getGroups());
  if (auto conv = dyn_cast<ConvTransposeOp>(product))
    groups = int64_t(conv.getGroups()), transposed = true;
  for (size_t d = 2; d < shape.size(); ++d)
    taps *= shape[d];
  channels = transposed ? shape[1] * groups : shape[0];
  depth = (transposed ? shape[0] / groups : shape[1]) * taps;
}

int64_t WeightSlices::channelOf(int64_t i) const {
  int64_t a = i / taps / shape[1], b = i / taps % shape[1];
  return transposed ? a / (shape[0] / groups) * shape[1] + b : a;
}

int64_t largestDistance(DequantizeOp input) {
  auto grid = input ? gridOf(input) : std::nullopt;
  if (!grid)
    return 0;
  auto [low, high] = codeRange(input.getScheme(), input.getInput().getType().getElementType());
  return std::max(grid->zeroPoint - low, high - grid->zeroPoint);
}

double estimatedCodeSum(Operation *product) {
  WeightSlices slices(product);
  std::vector<double> sums(size_t(slices.channels), 0.0), largest(size_t(slices.channels), 0.0);
  Value weight = getWeightOf(product);
  auto dequantize = weight.getDefiningOp<DequantizeOp>();
  auto data = getConstant(dequantize ? dequantize.getInput() : weight);
  if (!data)
    return 0; // a weight that is not in the store was diagnosed
  if (dequantize) {
    for (auto [i, q] : llvm::enumerate(toIntegers(*data)))
      sums[size_t(slices.channelOf(int64_t(i)))] += double(std::abs(q));
    return *llvm::max_element(sums);
  }
  auto scheme = product->getAttrOfType<SchemeAttr>(weightSchemeAttr);
  for (auto [i, v] : llvm::enumerate(toFloats(*data))) {
    size_t c = size_t(slices.channelOf(int64_t(i)));
    sums[c] += std::fabs(double(v));
    largest[c] = std::max(largest[c], std::fabs(double(v)));
  }
  if (scheme && scheme.getGranularity() == Granularity::Tensor)
    std::fill(largest.begin(), largest.end(), *llvm::max_element(largest));
  // Weights of 16 bits are left at least 12 beside 16-bit activations; a clipped range makes larger codes.
  int bits = scheme ? std::min(bitsOf(scheme.getStorage()), 12) : 8;
  double limit = std::ldexp(1.0, bits - 1) - 1, margin = 1.25, result = 0;
  for (size_t c = 0; c < sums.size(); ++c)
    if (largest[c] > 0)
      result = std::max(result, sums[c] / largest[c] * limit * margin);
  return result;
}

/// Gives channels whose accumulator might leave 32 bits a coarser scale, so that sum_k |q| * distance + |bias| and what
/// a later correction of the bias may add (the sum of the rounding errors times the distance) are below 2^31.
static LogicalResult fitAccumulators(Operation *product, ArrayRef<float> values, ArrayRef<float> biases,
                                     float inputScale, RoundedWeight &result) {
  int64_t distance = largestDistance(product->getOperand(0).getDefiningOp<DequantizeOp>());
  if (!distance || inputScale == 0)
    return success();
  WeightSlices slices(product);
  size_t channels = size_t(slices.channels), count = result.scales.size();
  std::vector<double> codes(channels, 0.0), errors(channels, 0.0), reals(channels, 0.0), largest(count, 0.0);
  std::vector<size_t> sliceOf(channels, 0);
  for (size_t i = 0; i < values.size(); ++i) {
    size_t c = size_t(slices.channelOf(int64_t(i))), s = size_t(result.parameterOf(int64_t(i)));
    sliceOf[c] = s;
    codes[c] += std::abs(double(result.codes[i]));
    errors[c] += std::fabs(double(values[i]) / result.scales[s] - result.codes[i]);
    reals[c] += std::fabs(double(values[i]));
    largest[s] = std::max(largest[s], std::fabs(double(values[i])));
  }
  constexpr double bound = 0x1p31 - 2;
  std::vector<double> needed(count, 0.0);
  double room = bound - double(slices.depth) * double(distance);
  for (size_t c = 0; c < channels; ++c) {
    size_t s = sliceOf[c];
    double bias = biases.empty() ? 0 : std::fabs(double(biases[c])) / inputScale;
    if ((codes[c] + errors[c]) * double(distance) + bias / result.scales[s] < bound)
      continue;
    if (room <= 0) {
      product->emitOpError() << "'" << getName(product) << "': R14: sums of " << slices.depth
                             << " products with activation codes up to " << distance
                             << " from their zero point leave 32 bits with any weight codes; choose activations of "
                                "8 bits or keep: float for this operation";
      return failure();
    }
    needed[s] = std::max(needed[s], (reals[c] * double(distance) + bias) / room);
  }
  int32_t limit = (int32_t(1) << (bitsOf(result.scheme.getStorage()) - 1)) - 1;
  for (size_t s = 0; s < count; ++s) {
    if (needed[s] == 0)
      continue;
    double scale = std::max({needed[s], largest[s] / limit, double(result.scales[s])});
    result.scales[s] = std::nextafter(float(scale), std::numeric_limits<float>::infinity());
    int bits = 1 + int(std::floor(std::log2(std::max(largest[s] / result.scales[s], 0.5)))) + 1;
    int least = limit > 127 ? 8 : std::min(6, bitsOf(result.scheme.getStorage()));
    if (bits < least) {
      product->emitOpError() << "'" << getName(product) << "': R14: weight codes of slice " << s << " would have "
                             << bits << " bits so that sums of " << slices.depth
                             << " products stay in 32 bits: expected at least " << least
                             << "; choose weights.format: s8 or activations of 8 bits for this operation";
      return failure();
    }
    result.narrowestBits = result.narrowed ? std::min(result.narrowestBits, bits) : bits;
    ++result.narrowed;
  }
  if (result.narrowed)
    for (size_t i = 0; i < values.size(); ++i)
      if (size_t s = size_t(result.parameterOf(int64_t(i))); needed[s] != 0)
        result.codes[i] = int32_t(
            std::min(std::max(std::nearbyint(double(values[i]) / result.scales[s]), -double(limit)), double(limit)));
  return success();
}

/// What depends on the weight, its attributes and the statistics alone.
static FailureOr<RoundedWeight> roundWeight(Operation *product, SchemeAttr scheme, RankedTensorType type,
                                            ArrayRef<float> values) {
  if (scheme.getGranularity() == Granularity::Group || scheme.getGranularity() == Granularity::TwoLevel)
    return roundGroups(product, scheme, type, values);
  UniformColumns::Options options = columnOptions(product);
  WeightScheme weights;
  weights.format = scheme.getStorage().str();
  weights.clip = options.clip;
  weights.percentile = options.percentile;
  int64_t axis = scheme.getGranularity() == Granularity::Axis ? scheme.getAxis() : -1;
  ArrayRef<int64_t> shape = type.getShape();
  RoundedWeight result;
  result.scheme = SchemeAttr::get(product->getContext(), storageOf(scheme.getStorage()), scheme.getGranularity(),
                                  scheme.getAxis(), scheme.getGroup());
  result.shape.assign(shape.begin(), shape.end());
  if (product->hasAttr(weightRoundingAttr)) {
    if (axis != 0) {
      result.gptqReason = "one scale for each output channel or group is needed";
    } else {
      int64_t rows = shape[0], columns = rows ? int64_t(values.size()) / rows : 0;
      std::vector<double> wide(values.begin(), values.end());
      if (auto better = roundWithMoments(product, wide, rows, columns, 0,
                                         UniformColumns(integerFormat(weights.format), options), result)) {
        result.codes = std::move(better->result.codes);
        result.scales = static_cast<UniformColumns &>(*better->quantizer).getScales();
        return result;
      }
    }
  }
  QuantizedWeight rounded = quantizeWeight(values, shape, axis, weights);
  result.codes = std::move(rounded.codes);
  result.scales = std::move(rounded.scales);
  return result;
}

FailureOr<RoundedWeight> quantizeWeightOf(Operation *product, float inputScale) {
  auto scheme = product->getAttrOfType<SchemeAttr>(weightSchemeAttr);
  auto data = getConstant(getWeightOf(product));
  assert(data && "a Product has a constant weight");
  std::vector<float> values = toFloats(*data);
  RoundedWeight result;
  RoundingMemo *memo = RoundingMemo::find(product->getContext());
  std::string key = memo ? RoundingMemo::keyOf(product, values) : "";
  if (!memo || !memo->lookup(key, result)) {
    FailureOr<RoundedWeight> rounded = roundWeight(product, scheme, data->type, values);
    if (failed(rounded))
      return failure();
    result = std::move(*rounded);
    if (memo)
      memo->insert(key, result);
  }
  // Groups and two levels meet activations with run-time scales: biases stay float.
  if (result.twoLevelGroup || result.scheme.getGranularity() == Granularity::Group)
    return result;
  int64_t axis = result.scheme.getGranularity() == Granularity::Axis ? result.scheme.getAxis() : -1;

  auto bias = getBiasOf(product) ? getConstant(getBiasOf(product)) : std::nullopt;
  if (inputScale == 0)
    return result;
  std::vector<float> biases = bias ? toFloats(*bias) : std::vector<float>();
  size_t slices = result.scales.size();
  for (size_t s = 0; s < slices; ++s) {
    double largest = 0;
    // Grouped transposed convolutions share one scale among the channels of equal index in their groups.
    for (size_t c = axis < 0 ? 0 : s; c < biases.size(); c += axis < 0 ? 1 : slices)
      largest = std::max(largest, std::fabs(double(biases[c])));
    double least = largest / (double(inputScale) * 0x1p30);
    if (result.scales[s] >= least)
      continue;
    result.scales[s] = float(std::nextafter(float(least), std::numeric_limits<float>::infinity()));
    // A clipped range may leave weights beyond the coarser grid still.
    const double most = double(integerFormat(scheme.getStorage()).highest());
    for (size_t i = 0; i < values.size(); ++i)
      if (size_t(result.parameterOf(int64_t(i))) == s)
        result.codes[i] =
            int32_t(std::min(std::max(std::nearbyint(double(values[i]) / result.scales[s]), -most), most));
  }
  if (failed(fitAccumulators(product, values, biases, inputScale, result)))
    return failure();
  return result;
}

} // namespace bitwright
