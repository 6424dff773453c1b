//===- DimExpr.h - checked integer expressions over dimensions ---*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// A dimension expression is a postfix program of int64 operations over the
// symbols of a model (`N`, `W`). It says how large a tensor is, how many tiles a
// launch has, and what goes into the `dims` array of a kernel.
//
//===----------------------------------------------------------------------===//
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace bitwright::artifact {

/// Range of one symbol: every value v with lo <= v <= hi and v % divisor == 0.
struct Symbol {
  std::string name;
  int64_t lo = 1;
  int64_t hi = 1;
  int64_t divisor = 1;
};

/// Postfix opcodes; the numbers are part of the file format and only ever added to.
enum class DimOp : uint8_t {
  Constant = 0, ///< push operand
  Symbol = 1,   ///< push value of symbol number `operand`
  Add = 2,
  Mul = 3,
  FloorDiv = 4, ///< towards minus infinity; divisor must be > 0
  CeilDiv = 5,  ///< towards plus infinity; divisor must be > 0
  Mod = 6,      ///< result in [0, divisor); divisor must be > 0
  Max = 7,
  Min = 8,
};

/// An expression. Copyable value; equality is structural.
///
///   DimExpr w = DimExpr::symbol(1);
///   DimExpr tiles = DimExpr::symbol(0) * ceilDiv(w + 2, 8);
///
/// The operators fold constants and the neutral elements, so that a static shape stays one constant.
class DimExpr {
public:
  struct Step {
    DimOp op;
    int64_t operand; ///< of Constant and Symbol; 0 otherwise
    bool operator==(const Step &o) const { return op == o.op && operand == o.operand; }
  };

  /// More values than this on the evaluation stack, or more steps, and an expression is refused.
  static constexpr unsigned maxDepth = 32;
  static constexpr unsigned maxSteps = 256;
  /// `bounds` tries out the values of a symbol while steps times values stay below this.
  static constexpr int64_t maxTrialSteps = 65536;

  DimExpr() : DimExpr(0) {}
  DimExpr(int64_t value) : steps{{DimOp::Constant, value}} {} // NOLINT: numbers are expressions
  static DimExpr symbol(unsigned index) { return fromSteps({{DimOp::Symbol, int64_t(index)}}); }
  static DimExpr fromSteps(std::vector<Step> s) {
    DimExpr e;
    e.steps = std::move(s);
    return e;
  }

  const std::vector<Step> &getSteps() const { return steps; }
  bool operator==(const DimExpr &o) const { return steps == o.steps; }
  bool operator!=(const DimExpr &o) const { return !(steps == o.steps); }

  bool isConstant() const { return steps.size() == 1 && steps[0].op == DimOp::Constant; }
  bool isConstant(int64_t v) const { return isConstant() && steps[0].operand == v; }
  /// Whether it is one bare symbol; `index` receives its number.
  bool isSymbol(unsigned &index) const;

  /// Well formed: depth and length within limits, every symbol below `symbolCount`, exactly one result.
  bool isWellFormed(size_t symbolCount) const;

  /// Value for the given symbol values. False on overflow, division by a value <= 0, or a malformed program; `result`
  /// is then untouched.
  bool evaluate(const int64_t *symbols, size_t symbolCount, int64_t &result) const;

  /// Interval that holds every value over the ranges of the symbols (interval arithmetic: exact where each symbol
  /// occurs once, an enclosure otherwise). False on overflow, a possible division by <= 0, or a malformed program.
  bool bounds(const std::vector<Symbol> &symbols, int64_t &lo, int64_t &hi) const;

  /// `8 * ceildiv(W + 2, 4)`; symbols by name, or `s3` where the list is too short.
  std::string str(const std::vector<Symbol> &symbols) const;

private:
  std::vector<Step> steps;
};

DimExpr operator+(const DimExpr &a, const DimExpr &b);
DimExpr operator-(const DimExpr &a, const DimExpr &b);
DimExpr operator*(const DimExpr &a, const DimExpr &b);
DimExpr floorDiv(const DimExpr &a, const DimExpr &b);
DimExpr ceilDiv(const DimExpr &a, const DimExpr &b);
DimExpr mod(const DimExpr &a, const DimExpr &b);
DimExpr max(const DimExpr &a, const DimExpr &b);
DimExpr min(const DimExpr &a, const DimExpr &b);

/// One operation with overflow and divisor checks; false when there is no result. Shared by evaluation and folding.
bool applyDimOp(DimOp op, int64_t a, int64_t b, int64_t &result);

/// Whether `e` is `scale * symbol + offset` with scale >= 1: what an input shape may be solved for.
bool matchAffine(const DimExpr &e, unsigned &symbol, int64_t &scale, int64_t &offset);

} // namespace bitwright::artifact
