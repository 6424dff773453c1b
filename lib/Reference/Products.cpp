//===- Products.cpp - convolutions and matrix products ---------------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// Each output is one chain in the order of k (F4). The loops run over sixteen outputs at a time, which shortens the
// wait and leaves every chain as it is.
//
//===----------------------------------------------------------------------===//

#include "lib/Reference/Products.h"

#include "dialects/Qnn/Qnn.h"
#include "lib/Reference/Loops.h"

#include <cmath>
#include <type_traits>

using namespace mlir;
using namespace bitwright;
using namespace bitwright::reference;

namespace {

constexpr int64_t kLanes = 16, kRows = 4;

float step(float x, float w, float acc) { return __builtin_fmaf(x, w, acc); }
int32_t step(int32_t x, int32_t w, int32_t acc) { return int32_t(uint32_t(x) * uint32_t(w) + uint32_t(acc)); }
int64_t step(int64_t x, int64_t w, int64_t acc) { return int64_t(uint64_t(x) * uint64_t(w) + uint64_t(acc)); }

/// acc[r][lane] continues its chain over all taps and channels: rows[r * taps + t][c] * w[(t * channels + c) * 16 +
/// lane].
template <typename T>
inline __attribute__((always_inline)) void sumTile(const T *const *rows, int64_t taps, int64_t channels, const T *w,
                                                   T (&acc)[kRows][kLanes]) {
  for (int64_t t = 0; t < taps; ++t) {
    const T *x0 = rows[t], *x1 = rows[taps + t], *x2 = rows[2 * taps + t], *x3 = rows[3 * taps + t];
    for (int64_t c = 0; c < channels; ++c, w += kLanes)
      for (int64_t lane = 0; lane < kLanes; ++lane) {
        acc[0][lane] = step(x0[c], w[lane], acc[0][lane]);
        acc[1][lane] = step(x1[c], w[lane], acc[1][lane]);
        acc[2][lane] = step(x2[c], w[lane], acc[2][lane]);
        acc[3][lane] = step(x3[c], w[lane], acc[3][lane]);
      }
  }
}

/// Depthwise: acc[c] continues its chain over the taps, rows[t][c] * w[t * channels + c].
template <typename T>
inline __attribute__((always_inline)) void sumChannels(const T *const *rows, int64_t taps, int64_t channels, const T *w,
                                                       T *acc) {
  for (int64_t t = 0; t < taps; ++t, w += channels) {
    const T *x = rows[t];
    for (int64_t c = 0; c < channels; ++c)
      acc[c] = step(x[c], w[c], acc[c]);
  }
}

// An fma is exact whichever instruction or library call makes it: the clones differ in speed only.
#define BITWRIGHT_CLONES __attribute__((target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4")))
#define BITWRIGHT_KERNELS(T)                                                                                           \
  BITWRIGHT_CLONES void tileOf##T(const T *const *rows, int64_t taps, int64_t channels, const T *w,                    \
                                  T(&acc)[kRows][kLanes]) {                                                            \
    sumTile<T>(rows, taps, channels, w, acc);                                                                          \
  }                                                                                                                    \
  BITWRIGHT_CLONES void channelsOf##T(const T *const *rows, int64_t taps, int64_t channels, const T *w, T *acc) {      \
    sumChannels<T>(rows, taps, channels, w, acc);                                                                      \
  }                                                                                                                    \
  void tile(const T *const *rows, int64_t taps, int64_t channels, const T *w, T(&acc)[kRows][kLanes]) {                \
    tileOf##T(rows, taps, channels, w, acc);                                                                           \
  }                                                                                                                    \
  void depthwise(const T *const *rows, int64_t taps, int64_t channels, const T *w, T *acc) {                           \
    channelsOf##T(rows, taps, channels, w, acc);                                                                       \
  }
BITWRIGHT_KERNELS(float)
BITWRIGHT_KERNELS(int32_t)
BITWRIGHT_KERNELS(int64_t)
#undef BITWRIGHT_KERNELS
#undef BITWRIGHT_CLONES

/// Weights of `outputs` columns in blocks of sixteen: [block][k][16], missing columns 0. get(k, o) gives one weight.
template <typename T, typename Get> std::vector<T> packColumns(int64_t depth, int64_t outputs, Get get) {
  int64_t blocks = (outputs + kLanes - 1) / kLanes;
  std::vector<T> packed(size_t(blocks * depth * kLanes));
  for (int64_t block = 0; block < blocks; ++block)
    for (int64_t k = 0; k < depth; ++k)
      for (int64_t lane = 0; lane < std::min(kLanes, outputs - block * kLanes); ++lane)
        packed[size_t((block * depth + k) * kLanes + lane)] = get(k, block * kLanes + lane);
  return packed;
}

/// For one output position, where each tap reads: the element index in the input's spatial grid, or -1.
struct TapReader {
  Shape input, kernel, outSpatial;
  const ConvGeometry &geometry;

  void read(ArrayRef<int64_t> position, SmallVectorImpl<int64_t> &taps) const {
    taps.clear();
    for (IndexCounter tap(kernel); !tap.isDone(); tap.next()) {
      int64_t at = 0;
      for (size_t d = 0; d < kernel.size() && at >= 0; ++d) {
        int64_t i;
        if (geometry.transposed) {
          int64_t n = position[d] + geometry.pads[d] - tap[d] * geometry.dilations[d];
          i = n % geometry.strides[d] == 0 ? n / geometry.strides[d] : -1;
        } else {
          i = position[d] * geometry.strides[d] + tap[d] * geometry.dilations[d] - geometry.pads[d];
        }
        at = i < 0 || i >= input[d] ? -1 : at * input[d] + i;
      }
      taps.push_back(at);
    }
  }
};

} // namespace

template <typename T>
Tensor reference::convolve(const Tensor &x, const Tensor &w, const ConvGeometry &geometry, ArrayRef<int64_t> outShape,
                           Element element, unsigned threads) {
  int64_t spatialRank = x.getRank() - 2, batch = x.getDim(0), inChannels = x.getDim(1), outChannels = outShape[1],
          groups = geometry.groups;
  int64_t groupIn = inChannels / groups, groupOut = outChannels / groups;
  ArrayRef<int64_t> kernel = w.getShape().drop_front(2);
  int64_t taps = elementCount(kernel), inPositions = elementCount(x.getShape().drop_front(2));
  Shape outSpatial(outShape.drop_front(2));
  int64_t outPositions = elementCount(outSpatial);

  // Channels innermost, so that a tap reads one run of elements.
  Shape toLast = {0};
  for (int64_t d = 0; d < spatialRank; ++d)
    toLast.push_back(d + 2);
  toLast.push_back(1);
  Tensor pixels = permuted(x, toLast);
  Shape pixelShape = {batch};
  pixelShape.append(outSpatial.begin(), outSpatial.end());
  pixelShape.push_back(outChannels);
  Tensor out(element, pixelShape);

  const T *weights = w.data<T>();
  bool isDepthwise = groupIn == 1 && groupOut == 1;
  std::vector<std::vector<T>> packed;
  if (isDepthwise) {
    std::vector<T> columns(static_cast<size_t>(taps * inChannels));
    for (int64_t c = 0; c < inChannels; ++c)
      for (int64_t t = 0; t < taps; ++t)
        columns[size_t(t * inChannels + c)] = weights[c * taps + t];
    packed.push_back(std::move(columns));
  } else {
    for (int64_t g = 0; g < groups; ++g)
      packed.push_back(packColumns<T>(taps * groupIn, groupOut, [&](int64_t k, int64_t o) {
        int64_t t = k / groupIn, c = k % groupIn;
        if (geometry.transposed)
          return weights[((g * groupIn + c) * groupOut + o) * taps + t];
        return weights[((g * groupOut + o) * groupIn + c) * taps + t];
      }));
  }

  TapReader reader{Shape(x.getShape().drop_front(2)), Shape(kernel), outSpatial, geometry};
  Shape positionStrides = rowMajorStrides(outSpatial);
  std::vector<T> zeros(size_t(inChannels), T(0));
  parallelFor(batch * outPositions, threads, [&](int64_t begin, int64_t end) {
    std::vector<const T *> rows(size_t(kRows * taps)), groupRows(size_t(kRows * taps));
    SmallVector<int64_t> reads;
    Shape position(outSpatial.size());
    for (int64_t first = begin; first < end; first += kRows) {
      int64_t count = std::min(kRows, end - first);
      for (int64_t r = 0; r < kRows; ++r) {
        int64_t pixel = first + std::min(r, count - 1), n = pixel / outPositions, rest = pixel % outPositions;
        for (size_t d = 0; d < position.size(); ++d) {
          position[d] = rest / positionStrides[d];
          rest %= positionStrides[d];
        }
        reader.read(position, reads);
        for (int64_t t = 0; t < taps; ++t)
          rows[size_t(r * taps + t)] =
              reads[t] < 0 ? zeros.data() : pixels.data<T>() + (n * inPositions + reads[t]) * inChannels;
      }
      T *result = out.mutableData<T>() + first * outChannels;
      if (isDepthwise) {
        for (int64_t r = 0; r < count; ++r)
          depthwise(rows.data() + r * taps, taps, inChannels, packed[0].data(), result + r * outChannels);
        continue;
      }
      for (int64_t g = 0; g < groups; ++g) {
        for (size_t i = 0; i < rows.size(); ++i)
          groupRows[i] = rows[i] + g * groupIn;
        for (int64_t o = 0; o < groupOut; o += kLanes) {
          T acc[kRows][kLanes] = {};
          tile(groupRows.data(), taps, groupIn, packed[size_t(g)].data() + o * taps * groupIn, acc);
          for (int64_t r = 0; r < count; ++r)
            for (int64_t lane = 0; lane < std::min(kLanes, groupOut - o); ++lane)
              result[r * outChannels + g * groupOut + o + lane] = acc[r][lane];
        }
      }
    }
  });
  Shape toFirst = {0, spatialRank + 1};
  for (int64_t d = 0; d < spatialRank; ++d)
    toFirst.push_back(d + 1);
  return permuted(out, toFirst);
}

template <typename T>
Tensor reference::multiply(const Tensor &a, const Tensor &b, bool bTransposed, ArrayRef<int64_t> outShape,
                           Element element, unsigned threads) {
  int64_t rank = int64_t(outShape.size()), m = outShape[rank - 2], n = outShape[rank - 1],
          depth = a.getDim(a.getRank() - 1);
  ArrayRef<int64_t> batchShape = outShape.drop_back(2);
  Tensor out(element, outShape);
  std::vector<T> zeros(size_t(depth), T(0)), packed;
  int64_t packedFrom = -1;
  std::array<ArrayRef<int64_t>, 2> batches = {a.getShape().drop_back(2), b.getShape().drop_back(2)};
  forEachBroadcast<2>(batchShape, batches, [&](int64_t batch, const std::array<int64_t, 2> &at) {
    const T *pa = a.data<T>() + at[0] * m * depth, *pb = b.data<T>() + at[1] * n * depth;
    if (packedFrom != at[1])
      packed = packColumns<T>(depth, n,
                              [&](int64_t k, int64_t o) { return bTransposed ? pb[o * depth + k] : pb[k * n + o]; });
    packedFrom = at[1];
    T *result = out.mutableData<T>() + batch * m * n;
    parallelFor(m, threads, [&](int64_t begin, int64_t end) {
      for (int64_t first = begin; first < end; first += kRows) {
        const T *rows[kRows];
        for (int64_t r = 0; r < kRows; ++r)
          rows[r] = first + r < end ? pa + (first + r) * depth : zeros.data();
        for (int64_t o = 0; o < n; o += kLanes) {
          T acc[kRows][kLanes] = {};
          tile(rows, 1, depth, packed.data() + o * depth, acc);
          for (int64_t r = 0; r < std::min(kRows, end - first); ++r)
            for (int64_t lane = 0; lane < std::min(kLanes, n - o); ++lane)
              result[(first + r) * n + o + lane] = acc[r][lane];
        }
      }
    });
  });
  return out;
}

template <typename T> void reference::addBias(Tensor &y, const Tensor &bias, int64_t axis) {
  int64_t inner = elementCount(y.getShape().drop_front(axis + 1)), channels = y.getDim(axis);
  T *out = y.mutableData<T>();
  const T *b = bias.data<T>();
  for (int64_t i = 0; i < y.getNumElements(); ++i) {
    T value = b[i / inner % channels];
    if constexpr (std::is_same_v<T, float>)
      out[i] = out[i] + value;
    else
      out[i] = step(value, T(1), out[i]); // wraps
  }
}

#define INSTANTIATE(T)                                                                                                 \
  template Tensor reference::convolve<T>(const Tensor &, const Tensor &, const ConvGeometry &, ArrayRef<int64_t>,      \
                                         Element, unsigned);                                                           \
  template Tensor reference::multiply<T>(const Tensor &, const Tensor &, bool, ArrayRef<int64_t>, Element, unsigned);  \
  template void reference::addBias<T>(Tensor &, const Tensor &, int64_t);
INSTANTIATE(float)
INSTANTIATE(int32_t)
INSTANTIATE(int64_t)
#undef INSTANTIATE

//===----------------------------------------------------------------------===//
// Operations
//===----------------------------------------------------------------------===//

/// Runs `product(zero of T, widened a, widened b, element of T)` in float32 or, for integer operands, in int64.
template <typename Product>
static LogicalResult runProduct(OpRun &run, const Tensor &a, const Tensor &b, const Tensor &bias, int64_t biasAxis,
                                Product product) {
  if (isFloat(a.getElement())) {
    Tensor y = product(float(), toFloat32(a), toFloat32(b), Element::F32);
    if (bias)
      addBias<float>(y, toFloat32(bias), biasAxis);
    run.set(storeAs(y, run.elementOfResult()));
  } else {
    Tensor y = product(int64_t(), toInt64(a), toInt64(b), Element::S64);
    if (bias)
      addBias<int64_t>(y, toInt64(bias), biasAxis);
    run.set(narrowTo(y, run.elementOfResult()));
  }
  return success();
}

template <typename Op> static LogicalResult runConvLike(Op op, OpRun &run, bool transposed) {
  ConvGeometry geometry{op.getStrides(), op.getPads(), op.getDilations(), int64_t(op.getGroups()), transposed};
  return runProduct(run, run.get(op.getInput()), run.get(op.getWeight()), run.get(op.getBias()), 1,
                    [&](auto zero, const Tensor &x, const Tensor &w, Element element) {
                      return convolve<decltype(zero)>(x, w, geometry, run.shapeOf(), element, run.threads());
                    });
}
static LogicalResult runConv(qnn::ConvOp op, OpRun &run) { return runConvLike(op, run, false); }
static LogicalResult runConvTranspose(qnn::ConvTransposeOp op, OpRun &run) { return runConvLike(op, run, true); }

static LogicalResult runLinear(qnn::LinearOp op, OpRun &run) {
  const Tensor &x = run.operand(0), &w = run.operand(1);
  int64_t depth = w.getDim(1), n = w.getDim(0), m = elementCount(run.shapeOf().drop_back());
  return runProduct(run, x, w, run.get(op.getBias()), int64_t(run.shapeOf().size()) - 1,
                    [&](auto zero, const Tensor &a, const Tensor &b, Element element) {
                      Tensor y = multiply<decltype(zero)>(a.reshaped({m, depth}), b, /*bTransposed=*/true, {m, n},
                                                          element, run.threads());
                      return y.reshaped(run.shapeOf());
                    });
}

static LogicalResult runMatmul(qnn::MatmulOp, OpRun &run) {
  return runProduct(
      run, run.operand(0), run.operand(1), {}, 0, [&](auto zero, const Tensor &a, const Tensor &b, Element element) {
        return multiply<decltype(zero)>(a, b, /*bTransposed=*/false, run.shapeOf(), element, run.threads());
      });
}

void reference::registerProducts(OpTable &table) {
  table.add<qnn::ConvOp>(runConv);
  table.add<qnn::ConvTransposeOp>(runConvTranspose);
  table.add<qnn::LinearOp>(runLinear);
  table.add<qnn::MatmulOp>(runMatmul);
}
