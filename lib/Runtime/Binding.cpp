//===- Binding.cpp - from the caller's tensors to symbol values -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
#include "lib/Runtime/Session.h"

#include <algorithm>

using namespace bitwright;
using namespace bitwright::artifact;
using namespace bitwright::runtime;

static std::string number(int64_t v) { return std::to_string(v); }

static std::string nameList(const Model &m, const std::vector<uint32_t> &tensors) {
  std::string s;
  for (uint32_t t : tensors)
    s += (s.empty() ? "'" : ", '") + m.tensors[t].name + "'";
  return s.empty() ? "none" : s;
}

static std::string shapeText(const Model &m, const Tensor &t) {
  std::string s = "[";
  for (size_t i = 0; i < t.dims.size(); ++i)
    s += (i ? ", " : "") + t.dims[i].str(m.symbols);
  return s + "]";
}

static std::string shapeText(const bw_tensor &t) {
  std::string s = "[";
  for (int32_t i = 0; i < t.rank; ++i)
    s += (i ? ", " : "") + number(t.dims[i]);
  return s + "]";
}

Status Session::matchNames(const std::vector<uint32_t> &wanted, const bw_tensor *given, size_t count, const char *what,
                           std::vector<uint32_t> &places) {
  constexpr uint32_t missing = UINT32_MAX;
  const Model &m = model();
  places.assign(wanted.size(), missing);
  if (count && !given)
    return failure(BW_INVALID_ARGUMENT, std::string("null array of ") + what + "s");
  for (size_t g = 0; g < count; ++g) {
    size_t value = wanted.size();
    if (!given[g].name) {
      value = g;
      if (value >= wanted.size())
        return failure(BW_INVALID_ARGUMENT, number(int64_t(count)) + " " + what + "s given, the model has " +
                                                number(int64_t(wanted.size())) + ": " + nameList(m, wanted));
    } else {
      for (size_t i = 0; i < wanted.size() && value == wanted.size(); ++i)
        if (m.tensors[wanted[i]].name == given[g].name)
          value = i;
      if (value == wanted.size())
        return failure(BW_INVALID_ARGUMENT, std::string("the model has no ") + what + " '" + given[g].name +
                                                "'; it has " + nameList(m, wanted));
    }
    if (places[value] != missing)
      return failure(BW_INVALID_ARGUMENT,
                     std::string(what) + " '" + m.tensors[wanted[value]].name + "' is given twice");
    places[value] = uint32_t(g);
  }
  for (size_t i = 0; i < wanted.size(); ++i)
    if (places[i] == missing)
      return failure(BW_INVALID_ARGUMENT, std::string(what) + " '" + m.tensors[wanted[i]].name +
                                              "' is not given; the model needs " + nameList(m, wanted));
  return {};
}

Status Session::bindShapes(const EntryPoint &entry, const bw_tensor *inputs) {
  const Model &m = model();
  for (size_t i = 0; i < m.symbols.size(); ++i) {
    symbolKnown[i] = m.symbols[i].lo == m.symbols[i].hi;
    symbolValues[i] = m.symbols[i].lo;
  }
  auto mismatch = [&](const Tensor &t, const bw_tensor &given, size_t dim, const std::string &expected) {
    return failure(BW_INVALID_ARGUMENT, "input '" + t.name + "': dimension " + number(int64_t(dim)) + " is " +
                                            number(given.dims[dim]) + ", expected " + expected + " (shape " +
                                            shapeText(given) + " given, " + shapeText(m, t) + " compiled)");
  };
  // First the dimensions that determine a symbol, then all of them against the values.
  for (size_t i = 0; i < entry.inputs.size(); ++i) {
    const Tensor &t = m.tensors[entry.inputs[i]];
    const bw_tensor &given = inputs[inputPlaces[i]];
    if (given.dtype != bw_dtype(t.type))
      return failure(BW_INVALID_ARGUMENT, "input '" + t.name + "': element type is " + bw_dtype_name(given.dtype) +
                                              ", expected " + elementTypeName(t.type));
    if (given.rank < 0 || size_t(given.rank) != t.dims.size())
      return failure(BW_INVALID_ARGUMENT, "input '" + t.name + "': rank is " + number(given.rank) + ", expected " +
                                              number(int64_t(t.dims.size())) + " (shape " + shapeText(m, t) + ")");
    for (size_t d = 0; d < t.dims.size(); ++d) {
      unsigned s;
      int64_t scale, offset, value = given.dims[d];
      if (!matchAffine(t.dims[d], s, scale, offset) || symbolKnown[s])
        continue;
      const Symbol &symbol = m.symbols[s];
      int64_t lo = symbol.lo * scale + offset, hi = symbol.hi * scale + offset;
      if (value < lo || value > hi)
        return mismatch(t, given, d,
                        number(lo) + ".." + number(hi) + ", the range of '" + symbol.name + "' in this model");
      if ((value - offset) % scale != 0 || (value - offset) / scale % symbol.divisor != 0)
        return mismatch(t, given, d,
                        "a multiple of " + number(symbol.divisor * scale) +
                            (offset ? " plus " + number(offset) : std::string()) + " ('" + symbol.name + "')");
      symbolValues[s] = (value - offset) / scale;
      symbolKnown[s] = true;
    }
  }
  for (size_t i = 0; i < entry.inputs.size(); ++i) {
    const Tensor &t = m.tensors[entry.inputs[i]];
    const bw_tensor &given = inputs[inputPlaces[i]];
    for (size_t d = 0; d < t.dims.size(); ++d) {
      int64_t expected;
      if (!t.dims[d].evaluate(symbolValues.data(), symbolValues.size(), expected))
        return failure(BW_INTERNAL, "input '" + t.name + "': a dimension cannot be evaluated");
      if (expected == given.dims[d])
        continue;
      std::string text = number(expected);
      if (!t.dims[d].isConstant()) {
        text = t.dims[d].str(m.symbols) + " = " + text;
        for (size_t s = 0; s < m.symbols.size(); ++s)
          text += (s ? ", " : ", with ") + m.symbols[s].name + " = " + number(symbolValues[s]);
      }
      return mismatch(t, given, d, text);
    }
  }
  return {};
}

Status Session::prepare(size_t entryIndex, const bw_tensor *inputs, size_t inputCount, const bw_tensor *outputs,
                        size_t outputCount, ShapePlan *&plan) {
  const Model &m = model();
  if (entryIndex >= m.entries.size())
    return failure(BW_INVALID_ARGUMENT, "entry point " + number(int64_t(entryIndex)) + " of " +
                                            number(int64_t(m.entries.size())) + " asked for");
  const EntryPoint &entry = m.entries[entryIndex];
  Status s = matchNames(entry.inputs, inputs, inputCount, "input", inputPlaces);
  if (s.ok())
    s = matchNames(entry.outputs, outputs, outputCount, "output", outputPlaces);
  if (s.ok())
    s = bindShapes(entry, inputs);
  return s.ok() ? findPlan(entryIndex, plan) : s;
}

Status Session::findPlan(size_t entry, ShapePlan *&plan) {
  ++clock;
  std::unique_ptr<ShapePlan> *oldest = nullptr;
  for (std::unique_ptr<ShapePlan> &p : plans) {
    if (p->entry == entry && p->symbols == symbolValues) {
      p->lastUse = clock;
      plan = p.get();
      return {};
    }
    if (!oldest || p->lastUse < (*oldest)->lastUse)
      oldest = &p;
  }
  auto fresh = std::make_unique<ShapePlan>();
  Status s = buildPlan(entry, *fresh);
  if (!s.ok())
    return s;
  fresh->lastUse = clock;
  plan = fresh.get();
  if (plans.size() < maxPlans) {
    plans.push_back(std::move(fresh));
    return {};
  }
  if (gpu)
    s = gpu->waitIdle(); // a graph of the plan that is forgotten may be running
  *oldest = std::move(fresh);
  return s;
}

Status Session::buildPlan(size_t entryIndex, ShapePlan &plan) {
  const Model &m = model();
  const EntryPoint &entry = m.entries[entryIndex];
  const int64_t *values = symbolValues.data();
  const size_t count = symbolValues.size();
  plan.entry = entryIndex;
  plan.symbols = symbolValues;
  Status broken = failure(BW_INTERNAL, "a size cannot be evaluated although the file verified");
  auto sizes = [&](const std::vector<uint32_t> &tensors, std::vector<uint64_t> &bytes) {
    for (uint32_t t : tensors) {
      bytes.emplace_back();
      if (!tensorBytes(m.tensors[t], values, count, bytes.back()))
        return false;
    }
    return true;
  };
  if (!sizes(entry.inputs, plan.inputBytes) || !sizes(entry.outputs, plan.outputBytes))
    return broken;
  for (uint32_t t : entry.outputs) {
    plan.outputDims.emplace_back();
    for (const DimExpr &d : m.tensors[t].dims) {
      plan.outputDims.back().push_back(0);
      if (!d.evaluate(values, count, plan.outputDims.back().back()))
        return broken;
    }
  }
  if (gpu) {
    plan.gpu = std::make_unique<CudaPlan>();
    return gpu->buildPlan(entry, plan.symbols, plan.inputBytes, plan.outputBytes, *plan.gpu);
  }
  for (const Launch &l : entry.launches) {
    ShapePlan::Step step;
    step.function = functions[l.kernel];
    step.firstBuffer = uint32_t(plan.buffers.size());
    step.firstDim = uint32_t(plan.dims.size());
    for (const BufferRef &b : l.buffers) {
      void *pointer = nullptr;
      if (b.kind == BufferKind::Arena) {
        pointer = arena.data() + b.place;
      } else if (b.kind == BufferKind::Weight) {
        pointer = const_cast<uint8_t *>(m.weights[size_t(b.place)].bytes.data());
      } else {
        bool isOutput = b.kind == BufferKind::Output;
        plan.patches.push_back({uint32_t(plan.buffers.size()), uint32_t(b.place), isOutput});
        // The loader has compared upper bounds; for these very dimensions the value must fit as well.
        uint64_t bytes;
        if (b.tensor >= 0 && (!tensorBytes(m.tensors[size_t(b.tensor)], values, count, bytes) ||
                              bytes > (isOutput ? plan.outputBytes : plan.inputBytes)[size_t(b.place)]))
          return failure(BW_INVALID_FILE, "launch '" + l.name + "': tensor '" + m.tensors[size_t(b.tensor)].name +
                                              "' does not fit the " + (isOutput ? "output" : "input") +
                                              " that holds it for these dimensions");
      }
      plan.buffers.push_back(pointer);
    }
    for (const DimExpr &d : l.dims) {
      plan.dims.push_back(0);
      if (!d.evaluate(values, count, plan.dims.back()))
        return broken;
    }
    if (!l.tiles.evaluate(values, count, step.tiles))
      return broken;
    // Four pieces a thread: enough to even out tiles of unequal cost, few enough that taking one costs nothing.
    step.chunk = std::max<int64_t>(1, step.tiles / (int64_t(pool->size()) * 4));
    plan.steps.push_back(step);
  }
  return {};
}
