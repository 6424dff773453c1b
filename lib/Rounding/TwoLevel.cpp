//===- TwoLevel.cpp - integer groups inside an 8-bit row --------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "lib/Rounding/TwoLevel.h"
#include "llvm/ADT/Twine.h"
#include <algorithm>
#include <cmath>
#include <cstdio>

namespace bitwright {
namespace {

double clamped(double v, double low, double high) { return std::min(std::max(v, low), high); }
int32_t clampedInt(int32_t v, int32_t low, int32_t high) { return std::min(std::max(v, low), high); }

llvm::Error weightError(llvm::StringRef name, const llvm::Twine &text) {
  return llvm::createStringError(llvm::inconvertibleErrorCode(), "two-level weight '" + name + "': " + text);
}

/// The row scale: absmax goes to 119, and no group is wider than 17 steps per code (matters below 4 bits only).
float liquidRowScale(llvm::ArrayRef<double> row, int64_t groupSize, int levels) {
  double scale = 0;
  for (size_t first = 0; first < row.size(); first += size_t(groupSize)) {
    llvm::ArrayRef<double> group = row.slice(first, std::min(size_t(groupSize), row.size() - first));
    auto [low, high] = std::minmax_element(group.begin(), group.end());
    scale = std::max({scale, std::max(-*low, *high) / twoLevelBound, (*high - *low) / (twoLevelMaxScale * levels)});
  }
  return legalColumnScale(scale);
}

/// S_g and m_g for level-1 codes in [low, high].
TwoLevelGroup liquidGroup(int32_t low, int32_t high, int levels) {
  // Half to even; 238 / 15 rounds to 16, so that only wide groups below 4 bits meet the upper limit.
  int32_t scale = int32_t(std::nearbyint(double(high - low) / levels));
  return {clampedInt(scale, 1, twoLevelMaxScale), low};
}

int32_t levelOne(double weight, float rowScale) {
  return int32_t(clamped(std::nearbyint(weight / double(rowScale)), -twoLevelBound, twoLevelBound));
}

void encodeLiquidRow(llvm::ArrayRef<double> row, int64_t r, TwoLevelWeight &out) {
  const int levels = (1 << out.bits) - 1;
  const float rowScale = liquidRowScale(row, out.groupSize, levels);
  out.rowScales[size_t(r)] = rowScale;
  std::vector<int32_t> q(row.size());
  std::transform(row.begin(), row.end(), q.begin(), [&](double w) { return levelOne(w, rowScale); });
  for (int64_t g = 0, first = 0; first < out.columns; ++g, first += out.groupSize) {
    const int64_t end = std::min(out.columns, first + out.groupSize);
    auto [low, high] = std::minmax_element(q.begin() + first, q.begin() + end);
    TwoLevelGroup group = liquidGroup(*low, *high, levels);
    out.groups[size_t(r * out.groupsPerRow() + g)] = group;
    for (int64_t i = first; i < end; ++i) {
      double code = clamped(std::nearbyint(double(q[size_t(i)] - group.offset) / group.scale), 0, levels);
      out.codes[size_t(r * out.columns + i)] = uint8_t(code);
    }
  }
}

void encodeQServeRow(llvm::ArrayRef<double> row, int64_t r, TwoLevelWeight &out) {
  double absMax = 0;
  for (double w : row)
    absMax = std::max(absMax, std::fabs(w));
  const float rowScale = legalColumnScale(absMax / twoLevelBound);
  out.rowScales[size_t(r)] = rowScale;
  for (int64_t g = 0, first = 0; first < out.columns; ++g, first += out.groupSize) {
    const int64_t end = std::min(out.columns, first + out.groupSize);
    int32_t low = 0, high = 0;
    for (int64_t i = first; i < end; ++i) {
      low = std::min(low, levelOne(row[size_t(i)], rowScale));
      high = std::max(high, levelOne(row[size_t(i)], rowScale));
    }
    const int32_t scale = std::max(1, int32_t(std::nearbyint((high - low) / 15.0)));
    const int32_t zero = clampedInt(int32_t(std::nearbyint(-double(low) / scale)), 0, 15);
    out.groups[size_t(r * out.groupsPerRow() + g)] = {scale, -zero * scale};
    for (int64_t i = first; i < end; ++i) {
      double q = std::nearbyint(double(levelOne(row[size_t(i)], rowScale)) / scale) + zero;
      out.codes[size_t(r * out.columns + i)] = uint8_t(clamped(q, 0, 15));
    }
  }
}

/// DGQ: group scales and zeros first (20 clip ratios), then the row scale (80 ratios) that the integers suit best.
void encodeDgqRow(llvm::ArrayRef<double> row, llvm::ArrayRef<double> importance, int64_t r, TwoLevelWeight &out) {
  const int64_t groupCount = out.groupsPerRow();
  auto factor = [&](int64_t i) { return importance.empty() ? 1.0 : importance[size_t(i)]; };
  struct Fit {
    double scale;
    int32_t zero;
  };
  std::vector<Fit> fits;
  double absMax = 0;
  for (int64_t first = 0; first < out.columns; first += out.groupSize) {
    const int64_t end = std::min(out.columns, first + out.groupSize);
    double low = 0, high = 0;
    for (int64_t i = first; i < end; ++i) {
      low = std::min(low, row[size_t(i)]);
      high = std::max(high, row[size_t(i)]);
    }
    absMax = std::max({absMax, -low, high});
    Fit best{1, 0};
    double bestError = HUGE_VAL;
    for (int step = 0; step < 20 && high > low; ++step) {
      const double scale = (high - low) * (1.02 - 0.22 * step / 19) / 15;
      const double zero = clamped(std::nearbyint(-low / scale), 0, 15);
      double error = 0;
      for (int64_t i = first; i < end; ++i) {
        double code = clamped(std::nearbyint(row[size_t(i)] / scale) + zero, 0, 15);
        double d = (code - zero) * scale - row[size_t(i)];
        error += d * d * factor(i);
      }
      if (error < bestError) {
        bestError = error;
        best = {scale, int32_t(zero)};
      }
    }
    fits.push_back(high > low ? best : Fit{0, 0});
  }

  double bestError = HUGE_VAL;
  std::vector<TwoLevelGroup> groups(size_t(groupCount), TwoLevelGroup{});
  std::vector<uint8_t> codes(row.size());
  for (int step = 0; step < 80; ++step) {
    const float rowScale = legalColumnScale(absMax / 127 * (1.02 - 0.82 * step / 79));
    double error = 0;
    bool legal = true;
    for (int64_t g = 0; g < groupCount && legal && error < bestError; ++g) {
      const Fit &fit = fits[size_t(g)];
      const int32_t scale = std::max(1, int32_t(std::nearbyint(fit.scale / double(rowScale))));
      // R16 has S_g up to 17; smaller row scales need more.
      if (scale > twoLevelMaxScale) {
        legal = false;
        break;
      }
      const int32_t reach = 127 / scale, low = std::max(0, fit.zero - reach), high = std::min(15, fit.zero + reach);
      groups[size_t(g)] = {scale, -fit.zero * scale};
      const double step8 = double(rowScale) * scale;
      const int64_t end = std::min(out.columns, (g + 1) * out.groupSize);
      for (int64_t i = g * out.groupSize; i < end; ++i) {
        double code = clamped(std::nearbyint(row[size_t(i)] / step8) + fit.zero, low, high);
        double d = (code - fit.zero) * step8 - row[size_t(i)];
        error += d * d * factor(i);
        codes[size_t(i)] = uint8_t(code);
      }
    }
    if (!legal)
      break; // The rest of the row scales are smaller still.
    if (error < bestError) {
      bestError = error;
      out.rowScales[size_t(r)] = rowScale;
      std::copy(groups.begin(), groups.end(), out.groups.begin() + r * groupCount);
      std::copy(codes.begin(), codes.end(), out.codes.begin() + r * out.columns);
    }
  }
}

} // namespace

llvm::Expected<TwoLevelWeight> encodeTwoLevel(llvm::StringRef name, llvm::ArrayRef<double> weights, int64_t rows,
                                              int64_t columns, const TwoLevelOptions &options,
                                              llvm::ArrayRef<double> importance) {
  if (rows <= 0 || columns <= 0 || int64_t(weights.size()) != rows * columns)
    return weightError(name, "expected " + llvm::Twine(rows) + " x " + llvm::Twine(columns) +
                                 " weights, at least one, found " + llvm::Twine(weights.size()));
  if (options.groupSize < 0)
    return weightError(name, "expected a group size of at least 0, found " + llvm::Twine(options.groupSize));
  const bool liquid = options.encoder == TwoLevelEncoder::Liquid;
  if (options.bits < (liquid ? 2 : 4) || options.bits > 4)
    return weightError(name, llvm::Twine("expected ") + (liquid ? "2 to 4 bits" : "4 bits for this encoder") +
                                 ", found " + llvm::Twine(options.bits));
  if (!importance.empty() && int64_t(importance.size()) != columns)
    return weightError(name, "expected one importance a column (" + llvm::Twine(columns) + "), found " +
                                 llvm::Twine(importance.size()));
  for (size_t i = 0; i < weights.size(); ++i)
    if (!std::isfinite(weights[i])) {
      char text[32];
      std::snprintf(text, sizeof text, "%g", weights[i]);
      return weightError(name, "weight [" + llvm::Twine(int64_t(i) / columns) + ", " +
                                   llvm::Twine(int64_t(i) % columns) + "] is " + text + "; expected finite weights");
    }
  TwoLevelWeight out;
  out.rows = rows;
  out.columns = columns;
  out.bits = options.bits;
  out.groupSize = options.groupSize ? std::min(options.groupSize, columns) : columns;
  out.codes.resize(weights.size());
  out.rowScales.resize(size_t(rows), 1.0f);
  out.groups.resize(size_t(rows * out.groupsPerRow()));
  for (int64_t r = 0; r < rows; ++r) {
    llvm::ArrayRef<double> row = weights.slice(size_t(r * columns), size_t(columns));
    if (liquid)
      encodeLiquidRow(row, r, out);
    else if (options.encoder == TwoLevelEncoder::QServe)
      encodeQServeRow(row, r, out);
    else
      encodeDgqRow(row, importance, r, out);
  }
  normaliseTwoLevel(out);
  if (llvm::Error error = checkTwoLevel(name, out))
    return std::move(error);
  return out;
}

void normaliseTwoLevel(TwoLevelWeight &weight) {
  for (int64_t r = 0; r < weight.rows; ++r)
    for (int64_t g = 0, first = 0; first < weight.columns; ++g, first += weight.groupSize) {
      auto begin = weight.codes.begin() + r * weight.columns + first;
      auto end = begin + std::min(weight.groupSize, weight.columns - first);
      const uint8_t least = *std::min_element(begin, end);
      TwoLevelGroup &group = weight.groups[size_t(r * weight.groupsPerRow() + g)];
      std::for_each(begin, end, [&](uint8_t &code) { code = uint8_t(code - least); });
      group.offset += least * group.scale;
    }
}

llvm::Error checkTwoLevel(llvm::StringRef name, const TwoLevelWeight &weight) {
  if (weight.rows <= 0 || weight.columns <= 0 || weight.groupSize <= 0 ||
      int64_t(weight.codes.size()) != weight.rows * weight.columns || int64_t(weight.rowScales.size()) != weight.rows ||
      int64_t(weight.groups.size()) != weight.rows * weight.groupsPerRow())
    return weightError(name, "the sizes of codes (" + llvm::Twine(weight.codes.size()) + "), row scales (" +
                                 llvm::Twine(weight.rowScales.size()) + ") and groups (" +
                                 llvm::Twine(weight.groups.size()) + ") do not fit " + llvm::Twine(weight.rows) +
                                 " x " + llvm::Twine(weight.columns) + " in groups of " +
                                 llvm::Twine(weight.groupSize));
  for (int64_t r = 0; r < weight.rows; ++r) {
    if (!(weight.rowScales[size_t(r)] > 0) || !std::isfinite(weight.rowScales[size_t(r)]))
      return weightError(name, "row " + llvm::Twine(r) + ": expected a finite positive row scale");
    for (int64_t c = 0; c < weight.columns; ++c) {
      const TwoLevelGroup &group = weight.group(r, c);
      if (group.scale < 1 || group.scale > twoLevelMaxScale)
        return weightError(name, "row " + llvm::Twine(r) + ", group " + llvm::Twine(c / weight.groupSize) +
                                     ": expected a group scale in 1..17, found " + llvm::Twine(group.scale));
      if (group.offset < -32768 || group.offset > 32767)
        return weightError(name, "row " + llvm::Twine(r) + ", group " + llvm::Twine(c / weight.groupSize) +
                                     ": expected an offset that fits int16, found " + llvm::Twine(group.offset));
      const int code = weight.codes[size_t(r * weight.columns + c)], w8 = weight.w8(r, c);
      if (code >> weight.bits)
        return weightError(name, "row " + llvm::Twine(r) + ", column " + llvm::Twine(c) + ": code " +
                                     llvm::Twine(code) + " does not fit " + llvm::Twine(weight.bits) + " bits");
      if (w8 <= -128 || w8 > 127)
        return weightError(name, "row " + llvm::Twine(r) + ", group " + llvm::Twine(c / weight.groupSize) + ": code " +
                                     llvm::Twine(code) + " * " + llvm::Twine(group.scale) + " + " +
                                     llvm::Twine(group.offset) + " = " + llvm::Twine(w8) +
                                     " is outside -127..127; encode the weight again with level-1 codes in +-119");
    }
  }
  return llvm::Error::success();
}

void TwoLevelColumns::begin(const double *weights, int64_t n, int64_t k, int64_t size, int64_t count) {
  rows = n;
  columns = k;
  groupSize = size;
  groupCount = count;
  rowScales.resize(size_t(n));
  groups.assign(size_t(n * count), TwoLevelGroup{});
  for (int64_t r = 0; r < n; ++r)
    rowScales[size_t(r)] = liquidRowScale(llvm::ArrayRef<double>(weights + r * k, size_t(k)), size, (1 << bits) - 1);
}

void TwoLevelColumns::fit(int64_t row, int64_t group, llvm::ArrayRef<double> weights, llvm::ArrayRef<double>) {
  // Weights that feedback has moved out of the row's range are clipped to it.
  int32_t low = twoLevelBound, high = -twoLevelBound;
  for (double w : weights) {
    low = std::min(low, levelOne(w, rowScales[size_t(row)]));
    high = std::max(high, levelOne(w, rowScales[size_t(row)]));
  }
  groups[size_t(row * groupCount + group)] = liquidGroup(low, high, (1 << bits) - 1);
}

void TwoLevelColumns::round(int64_t firstRow, int64_t group, llvm::ArrayRef<double> values, int32_t *codes,
                            double *decoded) const {
  const int32_t levels = (1 << bits) - 1;
  for (size_t i = 0; i < values.size(); ++i) {
    const int64_t row = firstRow + int64_t(i);
    const TwoLevelGroup &g = groups[size_t(row * groupCount + group)];
    const double rowScale = rowScales[size_t(row)];
    // A value beyond the fitted range may ask for a code whose w8 is above 127: the largest legal code instead.
    const int32_t most = std::min(levels, (127 - g.offset) / g.scale);
    codes[i] = int32_t(clamped(std::nearbyint((values[i] / rowScale - g.offset) / g.scale), 0, most));
    decoded[i] = rowScale * (codes[i] * g.scale + g.offset);
  }
}

llvm::Expected<TwoLevelWeight> TwoLevelColumns::finish(llvm::StringRef name, llvm::ArrayRef<int32_t> codes) const {
  TwoLevelWeight out;
  out.rows = rows;
  out.columns = columns;
  out.groupSize = groupSize;
  out.bits = bits;
  out.codes.assign(codes.begin(), codes.end());
  out.rowScales = rowScales;
  out.groups = groups;
  if (llvm::Error error = checkTwoLevel(name, out))
    return std::move(error);
  normaliseTwoLevel(out);
  return out;
}

llvm::Expected<TwoLevelWeight> decomposeTwoLevel(llvm::StringRef name, llvm::ArrayRef<int64_t> w8, int64_t rows,
                                                 int64_t columns, int64_t groupSize, int bits) {
  TwoLevelWeight result;
  result.rows = rows;
  result.columns = columns;
  result.groupSize = groupSize;
  result.bits = bits;
  result.codes.resize(size_t(rows * columns));
  result.groups.resize(size_t(rows * result.groupsPerRow()));
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t g = 0; g < result.groupsPerRow(); ++g) {
      int64_t first = row * columns + g * groupSize, count = std::min(groupSize, columns - g * groupSize);
      llvm::ArrayRef<int64_t> codes = w8.slice(size_t(first), size_t(count));
      int64_t low = *std::min_element(codes.begin(), codes.end()), high = *std::max_element(codes.begin(), codes.end());
      if (low <= -128 || high > 127)
        return llvm::createStringError("'" + name + "', row " + llvm::Twine(row) + ", group " + llvm::Twine(g) +
                                       ": R16: expected 8-bit weights in [-127, 127], found " +
                                       llvm::Twine(low <= -128 ? low : high));
      // The largest scale has the smallest codes: no more bits than the encoder's.
      int64_t scale = low == high ? 1 : twoLevelMaxScale;
      auto fits = [&](int64_t s) {
        return (high - low) / s < (int64_t(1) << bits) &&
               std::all_of(codes.begin(), codes.end(), [&](int64_t w) { return (w - low) % s == 0; });
      };
      while (scale >= 1 && !fits(scale))
        --scale;
      if (scale < 1)
        return llvm::createStringError("'" + name + "', row " + llvm::Twine(row) + ", group " + llvm::Twine(g) +
                                       ": R16: expected weights code * S + m with codes of " + llvm::Twine(bits) +
                                       " bits and S in 1..17, found none that gives all of them");
      result.groups[size_t(row * result.groupsPerRow() + g)] = {int32_t(scale), int32_t(low)};
      for (int64_t i = 0; i < count; ++i)
        result.codes[size_t(first + i)] = uint8_t((codes[size_t(i)] - low) / scale);
    }
  return result;
}

} // namespace bitwright
