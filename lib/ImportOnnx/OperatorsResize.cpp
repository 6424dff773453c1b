//===- OperatorsResize.cpp - Resize -----------------------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "lib/ImportOnnx/Operators.h"
#include "onnx.pb.h"
#include <cmath>

using namespace mlir;
using namespace bitwright;
using namespace bitwright::onnximport;

static const Refusal kCrop = {
    "coordinate_transformation_mode = tf_crop_and_resize",
    "cropping by a region of interest is not an interpolation of the whole tensor; use Slice"};
static const Refusal kOldCoordinates = {"coordinate_transformation_mode = tf_half_pixel_for_nn (opset 11)",
                                        "ONNX removed it in opset 13; use half_pixel"};
static const Refusal kAntialias = {"antialias = 1", "the kernel width would depend on the scale"};
static const Refusal kScales = {"scales that are not constants", "interpolation weights are fixed at compile time"};
static const Refusal kScaledSize = {
    "a scale whose result is not an affine size",
    "scale a symbolic dimension by an integer or its reciprocal, or fix the dimension with --dim"};
static const Refusal kAlignScales = {
    "align_corners with a scale for which size * scale is not an integer",
    "ONNX's reference places the corners by the fraction, its runtimes by the integer size; give sizes instead"};
static const Refusal kRatio = {"sizes on a symbolic dimension whose ratio to the input is not constant",
                               "the scale must not depend on the dimension; fix it with --dim"};

/// floor(size * scale) as an expression.
static std::optional<AffineExpr> scaledSize(NodeImporter &node, AffineExpr size, float scale) {
  if (auto constant = constantOf(size)) {
    // The specification multiplies the exact values; float32 scales such as 0.6 must not lose the last element.
    double product = std::floor(double(*constant) * double(scale));
    if (!(product >= 0 && product <= double(kMaxElements)))
      return std::nullopt;
    return node.expr(int64_t(product));
  }
  if (scale >= 1 && scale == std::floor(scale) && scale < 1e6f)
    return size * int64_t(scale);
  float inverse = 1 / scale;
  if (inverse >= 1 && inverse == std::floor(inverse) && inverse < 1e6f && 1 / inverse == scale)
    return size.floorDiv(int64_t(inverse));
  return std::nullopt;
}

/// out / in if that is one number: both constant, or out = in * k, or in = out * k.
static std::optional<float> ratio(NodeImporter &node, AffineExpr out, AffineExpr in) {
  auto a = constantOf(out), b = constantOf(in);
  if (a && b)
    return *b == 0 ? std::nullopt : std::optional(float(double(*a) / double(*b)));
  for (int64_t k = 1; k <= 64; ++k) {
    if (areEqual(out, in * k))
      return float(k);
    if (areEqual(in, out * k))
      return float(1.0 / double(k));
  }
  return std::nullopt;
}

static void importResize(NodeImporter &node) {
  int64_t rank = node.rank(0), opset = node.getOpset();
  std::string mode = node.getString("mode", "nearest"),
              nearest = node.getString("nearest_mode", opset < 11 ? "floor" : "round_prefer_floor"),
              coordinates = node.getString("coordinate_transformation_mode", opset < 11 ? "asymmetric" : "half_pixel"),
              policy = node.getString("keep_aspect_ratio_policy", "stretch");
  if (coordinates == "tf_crop_and_resize")
    return node.refuse(kCrop);
  if (coordinates == "tf_half_pixel_for_nn")
    return node.refuse(kOldCoordinates);
  if (node.getInt("antialias", 0))
    return node.refuse(kAntialias);
  auto resizeMode = qnn::symbolizeResizeMode(mode);
  auto resizeCoordinates = qnn::symbolizeResizeCoordinates(coordinates);
  auto nearestMode = qnn::symbolizeNearestMode(nearest);
  if (!resizeMode || !resizeCoordinates || !nearestMode)
    return node.error("expected a known mode, coordinate_transformation_mode and nearest_mode; found '" + mode +
                      "', '" + coordinates + "', '" + nearest + "'");
  if (policy != "stretch" && policy != "not_larger" && policy != "not_smaller")
    return node.error("expected keep_aspect_ratio_policy out of stretch, not_larger, not_smaller; found '" + policy +
                      "'");
  unsigned scalesInput = opset < 11 ? 1 : 2, sizesInput = 3;
  SmallVector<int64_t> axes;
  if (auto given = node.getInts("axes"))
    axes = node.normalizeAxes(*given, rank);
  else
    for (int64_t i = 0; i < rank; ++i)
      axes.push_back(i);
  if (node.failed())
    return;
  auto empty = [&](unsigned i) {
    return !node.has(i) || llvm::any_of(node.shape(i), [](AffineExpr dim) { return constantOf(dim) == 0; });
  };
  SymbolicShape shape = node.shape(0);
  SmallVector<float> scales(rank, 1.0f);
  if (!empty(scalesInput)) {
    auto values = node.known(scalesInput) ? node.known(scalesInput)->constants() : std::nullopt;
    if (!values)
      return node.refuse(kScales);
    if (values->size() != axes.size())
      return node.error("expected " + Twine(axes.size()) + " scales, found " + Twine(values->size()));
    for (auto [value, axis] : llvm::zip(*values, axes)) {
      if (!(value > 0 && value < 1e6))
        return node.error("expected scales over 0, found " + std::to_string(value));
      scales[axis] = float(value);
      auto size = scaledSize(node, shape[axis], float(value));
      if (!size)
        return node.refuse(kScaledSize, toText(shape[axis], node.getSymbols()) + " * " + std::to_string(value));
      if (coordinates == "align_corners" &&
          !(constantOf(*size) && constantOf(shape[axis]) &&
            double(*constantOf(*size)) == double(*constantOf(shape[axis])) * value) &&
          value != std::floor(value))
        return node.refuse(kAlignScales, toText(shape[axis], node.getSymbols()) + " * " + std::to_string(value));
      shape[axis] = *size;
    }
  } else if (!empty(sizesInput)) {
    SymbolicShape sizes = node.expressions(sizesInput, "sizes");
    if (node.failed())
      return;
    if (sizes.size() != axes.size())
      return node.error("expected " + Twine(axes.size()) + " sizes, found " + Twine(sizes.size()));
    for (auto [size, axis] : llvm::zip(sizes, axes)) {
      auto range = boundsOf(size, node.getSymbols());
      if (!range || range->first < 1)
        return node.error("expected sizes over 0, found " + toText(sizes, node.getSymbols()));
      auto factor = ratio(node, size, shape[axis]);
      if (!factor)
        return node.refuse(kRatio, toText(size, node.getSymbols()) + " from " + toText(shape[axis], node.getSymbols()));
      scales[axis] = *factor;
      shape[axis] = size;
    }
    if (policy != "stretch") {
      // One scale for all axes: the smallest or the largest; sizes round half up.
      float scale = scales[axes[0]];
      for (int64_t axis : axes)
        scale = policy == "not_larger" ? std::min(scale, scales[axis]) : std::max(scale, scales[axis]);
      for (int64_t axis : axes) {
        auto size = constantOf(node.shape(0)[axis]);
        if (!size)
          return node.refuse(kRatio, "keep_aspect_ratio_policy");
        scales[axis] = scale;
        shape[axis] = node.expr(int64_t(std::floor(double(scale) * double(*size) + 0.5)));
      }
    }
  } else {
    return node.error("expected scales or sizes, found neither");
  }
  float cubic = node.getFloat("cubic_coeff_a", -0.75f);
  bool excludeOutside = node.getInt("exclude_outside", 0) != 0;
  Value input = node.value(0);
  Value result = node.create<qnn::ResizeOp>(node.elementType(0), input, node.shapeMap(shape), scales, *resizeMode,
                                            *resizeCoordinates, *nearestMode, APFloat(cubic), excludeOutside);
  if (!node.failed())
    node.setOutput(0, result);
}

void onnximport::addResizeOperators(std::vector<Operator> &table) {
  table.push_back({"Resize",
                   10,
                   28,
                   1,
                   4,
                   1,
                   importResize,
                   {&kCrop, &kOldCoordinates, &kAntialias, &kScales, &kScaledSize, &kAlignScales, &kRatio}});
}
