//===- WeightRounding.cpp - codes of the weight of a product ---------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "lib/Rounding/Gptq.h"
#include "lib/Rounding/TwoLevel.h"
#include "lib/Statistics/Statistics.h"
#include "lib/Weights/WeightStore.h"
#include "passes/Quantize/QuantizableOps.h"
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
  // Codes of fewer than 4 bits are stored in 4.
  result.scheme = SchemeAttr::get(product->getContext(), bitsOf(scheme.getStorage()) <= 4 ? "s4" : scheme.getStorage(),
                                  Granularity::Group, 1, group);
  UniformColumns::Options options;
  options.bits = bitsOf(scheme.getStorage());
  options.symmetric = !product->hasAttr(weightZeroPointAttr);
  options.mseClip = clipOf(product) == WeightClip::Mse;
  UniformColumns nearest(options);
  const UniformColumns *fitted = &nearest;
  int32_t offset = options.symmetric ? 0 : 1 << (options.bits - 1);
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
      if (!options.symmetric)
        result.zeroPoints.push_back(fitted->getZeros()[size_t(g * rows + row)] - offset);
    }
  return result;
}

FailureOr<RoundedWeight> quantizeWeightOf(Operation *product, float inputScale) {
  auto scheme = product->getAttrOfType<SchemeAttr>(weightSchemeAttr);
  auto data = getConstant(getWeightOf(product));
  assert(data && "a Product has a constant weight");
  std::vector<float> values = toFloats(*data);
  if (scheme.getGranularity() == Granularity::Group || scheme.getGranularity() == Granularity::TwoLevel)
    return roundGroups(product, scheme, data->type, values);
  WeightScheme weights;
  weights.format = scheme.getStorage().str();
  weights.clip = clipOf(product);
  if (auto attr = product->getAttrOfType<FloatAttr>(weightPercentileAttr))
    weights.percentile = attr.getValueAsDouble();
  int64_t axis = scheme.getGranularity() == Granularity::Axis ? scheme.getAxis() : -1;
  ArrayRef<int64_t> shape = data->type.getShape();
  QuantizedWeight rounded = quantizeWeight(values, shape, axis, weights);
  RoundedWeight result;
  result.scheme = bitsOf(weights.format) >= 4 ? scheme
                                              : SchemeAttr::get(product->getContext(), "s4", scheme.getGranularity(),
                                                                scheme.getAxis(), scheme.getGroup());
  result.codes = std::move(rounded.codes);
  result.scales = std::move(rounded.scales);
  result.shape.assign(shape.begin(), shape.end());
  if (product->hasAttr(weightRoundingAttr)) {
    if (axis != 0) {
      result.gptqReason = "one scale for each output channel or group is needed";
    } else {
      UniformColumns::Options options;
      options.bits = bitsOf(weights.format);
      options.mseClip = weights.clip == WeightClip::Mse;
      int64_t rows = shape[0], columns = rows ? int64_t(values.size()) / rows : 0;
      std::vector<double> wide(values.begin(), values.end());
      if (auto better = roundWithMoments(product, wide, rows, columns, 0, UniformColumns(options), result)) {
        result.codes = std::move(better->result.codes);
        result.scales = static_cast<UniformColumns &>(*better->quantizer).getScales();
      }
    }
  }

  auto bias = getBiasOf(product) ? getConstant(getBiasOf(product)) : std::nullopt;
  if (!bias || inputScale == 0)
    return result;
  std::vector<float> biases = toFloats(*bias);
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
    for (size_t i = 0; i < values.size(); ++i)
      if (size_t(result.parameterOf(int64_t(i))) == s)
        result.codes[i] = int32_t(std::nearbyint(values[i] / result.scales[s]));
  }
  return result;
}

} // namespace bitwright
