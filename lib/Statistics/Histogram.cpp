//===- Histogram.cpp - streaming histogram with a doubling range -----------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "lib/Statistics/Histogram.h"
#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>

namespace bitwright {

constexpr int half = Histogram::binCount / 2;

double Histogram::binWidth() const { return std::ldexp(1.0, exponent) / half; }

void Histogram::growTo(int newExponent) {
  if (bins.empty()) {
    bins.assign(binCount, 0);
    exponent = std::max(newExponent, minExponent);
    return;
  }
  for (; exponent < newExponent; ++exponent) {
    // Bin half + i covers [i, i + 1) widths; the doubled grid has floor(i / 2).
    for (int i = 0; i < half / 2; ++i)
      bins[half + i] = bins[half + 2 * i] + bins[half + 2 * i + 1];
    for (int i = 1; i <= half / 2; ++i)
      bins[half - i] = bins[half - 2 * i] + bins[half - 2 * i + 1];
    std::fill(bins.begin(), bins.begin() + half / 2, 0);
    std::fill(bins.begin() + half + half / 2, bins.end(), 0);
  }
}

void Histogram::add(llvm::ArrayRef<float> values) {
  float largest = 0;
  for (float v : values)
    largest = std::max(largest, std::fabs(v));
  if (values.empty())
    return;
  // 2^e > |v| strictly, so that the largest value falls inside the half-open last bin.
  int e = minExponent;
  if (largest > 0) {
    std::frexp(double(largest), &e);
    e = std::max(e, minExponent);
  }
  growTo(e);
  double perUnit = half / std::ldexp(1.0, exponent);
  for (float v : values) {
    // floor(t) + half by truncation of a positive number: exact, but for a negative t too small to move the sum.
    double t = v * perUnit;
    int index = int(t + half);
    index -= (t < 0) & (index == half);
    ++bins[size_t(std::min(std::max(index, 0), binCount - 1))];
  }
}

void Histogram::merge(const Histogram &other) {
  if (other.empty())
    return;
  Histogram copy = other;
  int e = std::max(exponent, other.exponent);
  growTo(e);
  copy.growTo(e);
  for (int i = 0; i < binCount; ++i)
    bins[size_t(i)] += copy.bins[size_t(i)];
}

uint64_t Histogram::total() const {
  uint64_t sum = 0;
  for (uint64_t n : bins)
    sum += n;
  return sum;
}

Histogram Histogram::fromBins(int exponent, std::vector<uint64_t> bins) {
  assert(bins.size() == size_t(binCount));
  Histogram result;
  result.exponent = exponent;
  result.bins = std::move(bins);
  return result;
}

double Histogram::quantile(double fraction) const {
  double target = fraction * double(total()), seen = 0;
  for (int i = 0; i < int(bins.size()); ++i) {
    double n = double(bins[size_t(i)]);
    if (n > 0 && seen + n >= target)
      return edge(i) + binWidth() * std::max(0.0, (target - seen) / n);
    seen += n;
  }
  return edge(binCount);
}

//===----------------------------------------------------------------------===//
// Range choice
//===----------------------------------------------------------------------===//

Range chooseByMse(const Histogram &histogram, Range extremes, int levels) {
  if (histogram.empty() || !(extremes.high > extremes.low))
    return extremes;
  // Prefix sums of count, x and x^2 at the bin centres make the clipping error of any range a few operations.
  int n = Histogram::binCount;
  std::vector<double> c0(size_t(n) + 1), c1(size_t(n) + 1), c2(size_t(n) + 1);
  for (int i = 0; i < n; ++i) {
    double count = double(histogram.getBins()[size_t(i)]), x = histogram.edge(i) + histogram.binWidth() / 2;
    c0[size_t(i) + 1] = c0[size_t(i)] + count;
    c1[size_t(i) + 1] = c1[size_t(i)] + count * x;
    c2[size_t(i) + 1] = c2[size_t(i)] + count * x * x;
  }
  auto indexOf = [&](double v) {
    return size_t(std::min<double>(n, std::max<double>(0, std::floor(v / histogram.binWidth()) + n / 2)));
  };
  auto cost = [&](double low, double high) {
    size_t a = indexOf(low), b = std::min<size_t>(size_t(n), indexOf(high) + 1);
    double step = (high - low) / (levels - 1);
    double below = c2[a] - 2 * low * c1[a] + low * low * c0[a];
    double m0 = c0[size_t(n)] - c0[b], m1 = c1[size_t(n)] - c1[b], m2 = c2[size_t(n)] - c2[b];
    double above = m2 - 2 * high * m1 + high * high * m0;
    return below + above + (c0[b] - c0[a]) * step * step / 12;
  };
  Range best = extremes;
  double bestCost = cost(extremes.low, extremes.high);
  constexpr int steps = 128;
  for (int i = 0; i < (extremes.low < 0 ? steps : 1); ++i)
    for (int j = 0; j < (extremes.high > 0 ? steps : 1); ++j) {
      double low = extremes.low * (steps - i) / steps, high = extremes.high * (steps - j) / steps;
      double c = cost(low, high);
      if (c < bestCost) {
        bestCost = c;
        best = {low, high};
      }
    }
  return best;
}

Range chooseByKl(const Histogram &histogram, Range extremes, int levels) {
  if (histogram.empty() || !(extremes.high > extremes.low))
    return extremes;
  Range best = extremes;
  double bestDivergence = std::numeric_limits<double>::infinity();
  double width = histogram.binWidth();
  constexpr int steps = 100;
  // Exact zeros (ReLU, padding) are a code whatever the range: the two middle bins take the level of their neighbours,
  // or their spike alone would decide.
  std::vector<double> counts(histogram.getBins().begin(), histogram.getBins().end());
  counts[half] = std::min(counts[half], counts[half + 1]);
  counts[half - 1] = std::min(counts[half - 1], counts[half - 2]);
  for (int s = 0; s < steps * 7 / 10; ++s) {
    double fraction = double(steps - s) / steps;
    Range range = {extremes.low * fraction, extremes.high * fraction};
    int first = std::max(0, int(std::floor(range.low / width)) + half);
    int last = std::min(Histogram::binCount - 1, int(std::ceil(range.high / width)) - 1 + half);
    int count = last - first + 1;
    if (count < levels / 2)
      break;
    // P: the clipped distribution, outliers at the border bins. Q: P without its outliers, shared out over the cells.
    std::vector<double> p(static_cast<size_t>(count)), q(static_cast<size_t>(count));
    for (int i = 0; i < Histogram::binCount; ++i)
      p[size_t(std::min(std::max(i, first), last) - first)] += counts[size_t(i)];
    int cells = std::min(levels, count);
    for (int cell = 0; cell < cells; ++cell) {
      int begin = int(int64_t(count) * cell / cells), end = int(int64_t(count) * (cell + 1) / cells);
      double sum = 0;
      int occupied = 0;
      for (int i = begin; i < end; ++i) {
        double n = counts[size_t(first + i)];
        sum += n;
        occupied += n > 0;
      }
      for (int i = begin; i < end; ++i)
        if (counts[size_t(first + i)] > 0)
          q[size_t(i)] = sum / occupied;
    }
    double sumP = 0, sumQ = 0, divergence = 0;
    for (int i = 0; i < count; ++i) {
      // A border bin that holds only outliers keeps a small mass, so that the divergence stays finite.
      if (p[size_t(i)] > 0 && q[size_t(i)] == 0)
        q[size_t(i)] = 1e-4;
      sumP += p[size_t(i)];
      sumQ += q[size_t(i)];
    }
    for (int i = 0; i < count; ++i)
      if (p[size_t(i)] > 0)
        divergence += p[size_t(i)] / sumP * std::log((p[size_t(i)] / sumP) / (q[size_t(i)] / sumQ));
    if (divergence < bestDivergence) {
      bestDivergence = divergence;
      best = range;
    }
  }
  return best;
}

} // namespace bitwright
