//===- DimExpr.cpp - evaluation, bounds and printing of expressions -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
#include "lib/Artifact/DimExpr.h"

#include <algorithm>

using namespace bitwright::artifact;

static int64_t floorDivide(int64_t a, int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }

bool bitwright::artifact::applyDimOp(DimOp op, int64_t a, int64_t b, int64_t &result) {
  switch (op) {
  case DimOp::Add:
    return !__builtin_add_overflow(a, b, &result);
  case DimOp::Mul:
    return !__builtin_mul_overflow(a, b, &result);
  case DimOp::FloorDiv:
    if (b <= 0)
      return false;
    result = floorDivide(a, b);
    return true;
  case DimOp::CeilDiv:
    if (b <= 0)
      return false;
    result = a / b + (a % b > 0 ? 1 : 0);
    return true;
  case DimOp::Mod:
    if (b <= 0)
      return false;
    result = a % b + (a % b < 0 ? b : 0);
    return true;
  case DimOp::Max:
    result = std::max(a, b);
    return true;
  case DimOp::Min:
    result = std::min(a, b);
    return true;
  case DimOp::Constant:
  case DimOp::Symbol:
    break;
  }
  return false;
}

bool DimExpr::isSymbol(unsigned &index) const {
  if (steps.size() != 1 || steps[0].op != DimOp::Symbol)
    return false;
  index = unsigned(steps[0].operand);
  return true;
}

bool DimExpr::isWellFormed(size_t symbolCount) const {
  if (steps.size() > maxSteps)
    return false;
  unsigned depth = 0;
  for (const Step &s : steps) {
    if (s.op == DimOp::Constant || s.op == DimOp::Symbol) {
      if (s.op == DimOp::Symbol && (s.operand < 0 || uint64_t(s.operand) >= symbolCount))
        return false;
      if (++depth > maxDepth)
        return false;
      continue;
    }
    if (s.op > DimOp::Min || depth < 2)
      return false;
    --depth;
  }
  return depth == 1;
}

bool DimExpr::evaluate(const int64_t *symbols, size_t symbolCount, int64_t &result) const {
  if (isConstant()) {
    result = steps[0].operand;
    return true;
  }
  if (!isWellFormed(symbolCount))
    return false;
  int64_t stack[maxDepth];
  unsigned top = 0;
  for (const Step &s : steps) {
    if (s.op == DimOp::Constant) {
      stack[top++] = s.operand;
    } else if (s.op == DimOp::Symbol) {
      stack[top++] = symbols[s.operand];
    } else {
      --top;
      if (!applyDimOp(s.op, stack[top - 1], stack[top], stack[top - 1]))
        return false;
    }
  }
  result = stack[0];
  return true;
}

namespace {
struct Interval {
  int64_t lo, hi;
};
} // namespace

static bool combine(DimOp op, Interval a, Interval b, Interval &r) {
  if (op == DimOp::Mod) {
    if (b.lo <= 0)
      return false;
    if (a.lo >= 0 && a.hi < b.lo)
      r = a;
    else
      r = {0, a.lo >= 0 ? std::min(a.hi, b.hi - 1) : b.hi - 1};
    return true;
  }
  if ((op == DimOp::FloorDiv || op == DimOp::CeilDiv) && b.lo <= 0)
    return false;
  // The other operations are monotone in each operand (given the sign of the other one), so the corners hold the
  // extremes.
  const int64_t as[2] = {a.lo, a.hi}, bs[2] = {b.lo, b.hi};
  bool first = true;
  for (int64_t x : as)
    for (int64_t y : bs) {
      int64_t v;
      if (!applyDimOp(op, x, y, v))
        return false;
      r.lo = first ? v : std::min(r.lo, v);
      r.hi = first ? v : std::max(r.hi, v);
      first = false;
    }
  return true;
}

bool DimExpr::bounds(const std::vector<Symbol> &symbols, int64_t &lo, int64_t &hi) const {
  if (isConstant()) {
    lo = hi = steps[0].operand;
    return true;
  }
  if (!isWellFormed(symbols.size()))
    return false;
  Interval stack[maxDepth];
  unsigned top = 0, occurrences = 0;
  int64_t only = -1;
  bool oneSymbol = true, valid = true;
  auto range = [&](int64_t index) {
    const Symbol &s = symbols[index];
    int64_t d = std::max<int64_t>(s.divisor, 1);
    return Interval{s.lo + (d - 1 - (s.lo + d - 1) % d), s.hi - s.hi % d};
  };
  for (const Step &s : steps) {
    if (s.op == DimOp::Constant) {
      stack[top++] = {s.operand, s.operand};
    } else if (s.op == DimOp::Symbol) {
      ++occurrences;
      oneSymbol &= only < 0 || only == s.operand;
      only = s.operand;
      stack[top++] = range(s.operand);
    } else {
      --top;
      if (valid)
        valid = combine(s.op, stack[top - 1], stack[top], stack[top - 1]);
    }
  }
  // Interval arithmetic forgets that two occurrences of W are the same W (W - floordiv(W, 2) would look negative). One
  // symbol with few values is simply tried out; the limit keeps a hostile file from making that last.
  const int64_t maxTried = maxTrialSteps / int64_t(steps.size());
  if (oneSymbol && occurrences > 1) {
    Interval r = range(only);
    int64_t d = std::max<int64_t>(symbols[only].divisor, 1);
    if (r.lo >= 0 && r.hi >= r.lo && (r.hi - r.lo) / d < maxTried) {
      std::vector<int64_t> values(symbols.size(), 0);
      bool first = true;
      for (int64_t v = r.lo; v <= r.hi; v += d) {
        values[only] = v;
        int64_t result;
        if (!evaluate(values.data(), values.size(), result))
          return false;
        lo = first ? result : std::min(lo, result);
        hi = first ? result : std::max(hi, result);
        first = false;
      }
      return true;
    }
  }
  if (!valid)
    return false;
  lo = stack[0].lo;
  hi = stack[0].hi;
  return true;
}

std::string DimExpr::str(const std::vector<Symbol> &symbols) const {
  if (steps.size() > maxSteps)
    return "<too long>";
  std::vector<std::pair<std::string, bool>> stack; // text, needs parentheses inside a product
  for (const Step &s : steps) {
    if (s.op == DimOp::Constant) {
      stack.push_back({std::to_string(s.operand), false});
      continue;
    }
    if (s.op == DimOp::Symbol) {
      bool known = s.operand >= 0 && uint64_t(s.operand) < symbols.size();
      stack.push_back({known ? symbols[s.operand].name : "s" + std::to_string(s.operand), false});
      continue;
    }
    if (stack.size() < 2)
      return "<malformed>";
    auto b = stack.back();
    stack.pop_back();
    auto a = stack.back();
    stack.pop_back();
    auto wrap = [](const std::pair<std::string, bool> &x) { return x.second ? "(" + x.first + ")" : x.first; };
    switch (s.op) {
    case DimOp::Add:
      stack.push_back({b.first[0] == '-' ? a.first + " - " + b.first.substr(1) : a.first + " + " + b.first, true});
      break;
    case DimOp::Mul:
      stack.push_back({wrap(a) + " * " + wrap(b), false});
      break;
    default: {
      const char *name = s.op == DimOp::FloorDiv  ? "floordiv"
                         : s.op == DimOp::CeilDiv ? "ceildiv"
                         : s.op == DimOp::Mod     ? "mod"
                         : s.op == DimOp::Max     ? "max"
                                                  : "min";
      stack.push_back({std::string(name) + "(" + a.first + ", " + b.first + ")", false});
    }
    }
  }
  return stack.size() == 1 ? stack[0].first : "<malformed>";
}

static DimExpr make(DimOp op, const DimExpr &a, const DimExpr &b) {
  int64_t v;
  if (a.isConstant() && b.isConstant() && applyDimOp(op, a.getSteps()[0].operand, b.getSteps()[0].operand, v))
    return v;
  std::vector<DimExpr::Step> steps = a.getSteps();
  steps.insert(steps.end(), b.getSteps().begin(), b.getSteps().end());
  steps.push_back({op, 0});
  return DimExpr::fromSteps(std::move(steps));
}

namespace bitwright::artifact {
DimExpr operator+(const DimExpr &a, const DimExpr &b) {
  if (a.isConstant(0))
    return b;
  if (b.isConstant(0))
    return a;
  return make(DimOp::Add, a, b);
}
DimExpr operator-(const DimExpr &a, const DimExpr &b) {
  if (b.isConstant() && b.getSteps()[0].operand != INT64_MIN)
    return a + DimExpr(-b.getSteps()[0].operand);
  return a + b * DimExpr(-1);
}
DimExpr operator*(const DimExpr &a, const DimExpr &b) {
  if (a.isConstant(1))
    return b;
  if (b.isConstant(1))
    return a;
  return make(DimOp::Mul, a, b);
}
DimExpr floorDiv(const DimExpr &a, const DimExpr &b) { return b.isConstant(1) ? a : make(DimOp::FloorDiv, a, b); }
DimExpr ceilDiv(const DimExpr &a, const DimExpr &b) { return b.isConstant(1) ? a : make(DimOp::CeilDiv, a, b); }
DimExpr mod(const DimExpr &a, const DimExpr &b) { return b.isConstant(1) ? DimExpr(0) : make(DimOp::Mod, a, b); }
DimExpr max(const DimExpr &a, const DimExpr &b) { return a == b ? a : make(DimOp::Max, a, b); }
DimExpr min(const DimExpr &a, const DimExpr &b) { return a == b ? a : make(DimOp::Min, a, b); }
} // namespace bitwright::artifact
