//===- RandomTest.cpp - random chains of data movement ---------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// Index arithmetic composes: a chain of movement operations is one expression of the result's index, with vectors,
// masks and switched-off lanes from any of its steps. Seeds are fixed; a failure prints the region.
//
//===----------------------------------------------------------------------===//

#include "test/Unit/X86/RegionTest.h"
#include "gtest/gtest.h"
#include <numeric>
#include <random>

using namespace bitwright;
using namespace bitwright::x86::testing;

namespace {

using Shape = std::vector<int64_t>;

struct Chain {
  std::mt19937 random;
  std::string element, body;
  std::vector<std::string> arguments; ///< types
  std::vector<int64_t> gatherSizes;   ///< one an argument: the size that indices select from, or 0
  int values = 0;

  Chain(unsigned seed) : random(seed) {
    const char *elements[] = {"f32", "i8", "f16", "i64"};
    element = elements[pick(0, 3)];
  }
  int64_t pick(int64_t low, int64_t high) { return std::uniform_int_distribution<int64_t>(low, high)(random); }
  static std::string join(const Shape &shape) {
    std::string text;
    for (size_t i = 0; i < shape.size(); ++i)
      text += (i ? ", " : "") + std::to_string(shape[i]);
    return text;
  }
  static std::string tensor(const Shape &shape, const std::string &element) {
    std::string text = "tensor<";
    for (int64_t size : shape)
      text += std::to_string(size) + "x";
    return text + element + ">";
  }
  std::string addArgument(const Shape &shape, const std::string &type, int64_t gatherSize = 0) {
    arguments.push_back(tensor(shape, type));
    gatherSizes.push_back(gatherSize);
    return "%a" + std::to_string(arguments.size() - 1);
  }
  std::string emit(const std::string &op, const std::string &operands, const std::string &attributes,
                   const std::string &types, const Shape &result) {
    std::string name = "%v" + std::to_string(values++);
    body += "  " + name + " = qnn." + op + " " + operands + (attributes.empty() ? "" : " {" + attributes + "}") +
            " : (" + types + ") -> " + tensor(result, element) + "\n";
    return name;
  }

  static int64_t count(const Shape &shape) {
    return std::accumulate(shape.begin(), shape.end(), int64_t(1), std::multiplies<int64_t>());
  }

  std::string step(std::string x, Shape &shape) {
    int64_t rank = shape.size();
    std::string type = tensor(shape, element);
    switch (pick(0, 8)) {
    case 0: { // transpose
      Shape perm(rank), result(rank);
      std::iota(perm.begin(), perm.end(), 0);
      std::shuffle(perm.begin(), perm.end(), random);
      for (int64_t i = 0; i < rank; ++i)
        result[i] = shape[perm[i]];
      shape = result;
      return emit("transpose", x, "perm = array<i64: " + join(perm) + ">", type, shape);
    }
    case 1: { // reshape: merge two neighbours, or split one
      Shape result = shape;
      int64_t d = pick(0, rank - 1);
      if (rank > 1 && d + 1 < rank && pick(0, 1)) {
        result[d] *= result[d + 1];
        result.erase(result.begin() + d + 1);
      } else if (rank < 5) {
        int64_t factor = 1;
        for (int64_t f : {2, 3, 4, 5, 16})
          if (shape[d] % f == 0 && pick(0, 1))
            factor = f;
        result[d] /= factor;
        result.insert(result.begin() + d + pick(0, 1), factor);
      }
      shape = result;
      return emit("reshape", x, "shape = affine_map<() -> (" + join(shape) + ")>", type, shape);
    }
    case 2: { // slice
      Shape starts(rank), sizes(rank), steps(rank);
      for (int64_t d = 0; d < rank; ++d) {
        steps[d] = pick(0, 3) ? 1 : pick(0, 1) ? -1 : 2;
        int64_t first = pick(0, (shape[d] - 1) / 3);
        int64_t reach = shape[d] - first;
        sizes[d] = std::max<int64_t>(1, steps[d] == 2 ? (reach + 1) / 2 : reach - pick(0, reach / 4));
        starts[d] = steps[d] == -1 ? first + sizes[d] - 1 : first;
      }
      shape = sizes;
      return emit("slice", x,
                  "starts = affine_map<() -> (" + join(starts) + ")>, shape = affine_map<() -> (" + join(sizes) +
                      ")>, steps = array<i64: " + join(steps) + ">",
                  type, shape);
    }
    case 3: { // pad
      const char *modes[] = {"constant", "constant", "reflect", "edge", "wrap"};
      std::string mode = modes[pick(0, 4)];
      Shape low(rank), high(rank);
      for (int64_t d = 0; d < rank; ++d)
        if (pick(0, 1)) {
          low[d] = pick(0, 3);
          high[d] = pick(0, 3);
          shape[d] += low[d] + high[d];
        }
      return emit("pad", x,
                  "low = array<i64: " + join(low) + ">, high = array<i64: " + join(high) + ">, mode = #qnn.pad_mode<" +
                      mode + ">, value = 5.0 : f64",
                  type, shape);
    }
    case 4: { // concat with another input, and itself
      int64_t axis = pick(0, rank - 1);
      Shape other = shape;
      other[axis] = pick(1, 20);
      std::string name = addArgument(other, element);
      Shape result = shape;
      result[axis] = shape[axis] * 2 + other[axis];
      std::string types = type + ", " + tensor(other, element) + ", " + type;
      shape = result;
      return emit("concat", x + ", " + name + ", " + x, "axis = " + std::to_string(axis) + " : i64", types, shape);
    }
    case 5: { // tile
      Shape repeats(rank, 1);
      repeats[pick(0, rank - 1)] = pick(1, 3);
      for (int64_t d = 0; d < rank; ++d)
        shape[d] *= repeats[d];
      return emit("tile", x, "repeats = array<i64: " + join(repeats) + ">", type, shape);
    }
    case 6: { // gather along one dimension
      int64_t axis = pick(0, rank - 1), number = pick(1, 40);
      std::string indices = addArgument({number}, "i64", shape[axis]);
      shape[axis] = number;
      return emit("gather", x + ", " + indices, "axis = " + std::to_string(axis) + " : i64",
                  type + ", " + tensor({number}, "i64"), shape);
    }
    case 7: { // pooling
      if (rank != 4 || shape[2] < 3 || shape[3] < 3)
        return x;
      Shape result = {shape[0], shape[1], (shape[2] - 1) / 2 + 1, shape[3]};
      shape = result;
      return emit("max_pool", x,
                  "kernel = array<i64: 3, 3>, strides = array<i64: 2, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = "
                  "array<i64: 1, 1>",
                  type, shape);
    }
    default: { // something that uses the value twice
      std::string y = emit("relu", x, "", type, shape);
      return emit("max", x + ", " + y, "", type + ", " + type, shape);
    }
    }
  }
};

TEST(X86Random, MovementChains) {
  for (unsigned seed = 1; seed <= 60; ++seed) {
    Chain chain(seed);
    Shape shape;
    for (int64_t i = chain.pick(1, 4); i > 0; --i)
      shape.push_back(chain.pick(0, 2) ? chain.pick(1, 12) : 16 * chain.pick(1, 2));
    std::string x = chain.addArgument(shape, chain.element);
    Shape inputShape = shape;
    for (int64_t i = chain.pick(2, 5); i > 0 && Chain::count(shape) < 30000; --i)
      x = chain.step(x, shape);
    Region r;
    std::string types;
    for (size_t i = 0; i < chain.arguments.size(); ++i) {
      r.arguments += (i ? ", %a" : "%a") + std::to_string(i) + " = %" + std::to_string(i);
      types += (i ? ", " : "") + chain.arguments[i];
    }
    auto layout = [&](size_t rank) {
      Shape order(rank);
      std::iota(order.begin(), order.end(), 0);
      if (chain.pick(0, 1))
        std::shuffle(order.begin(), order.end(), chain.random);
      return rank ? "array<i64: " + Chain::join(order) + ">" : std::string("array<i64>");
    };
    r.attributes = "{operand_layouts = [" + layout(inputShape.size());
    for (size_t i = 1; i < chain.arguments.size(); ++i)
      r.attributes += ", " + layout(std::count(chain.arguments[i].begin(), chain.arguments[i].end(), 'x'));
    r.attributes += "], result_layouts = [" + layout(shape.size()) + "]}";
    std::string out = Chain::tensor(shape, chain.element);
    r.type = "(" + types + ") -> " + out;
    r.body = chain.body + "  kernel.yield " + x + " : " + out;
    r.fill = [&](unsigned i, reference::Tensor &t) {
      if (int64_t size = chain.gatherSizes[i])
        for (int64_t j = 0; j < t.getNumElements(); ++j)
          t.mutableData<int64_t>()[j] = (j * 7 + 3) % (2 * size) - size;
    };
    SCOPED_TRACE("seed " + std::to_string(seed));
    checkRegion(r);
    if (::testing::Test::HasFatalFailure())
      return;
  }
}

} // namespace
