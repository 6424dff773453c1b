//===- PrintSymbolicShapes.cpp - each result's shape in the names of the dimensions ---===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "passes/Simplify/PrintSymbolicShapes/PrintSymbolicShapes.h"
#include "dialects/Qnn/Qnn.h"
#include "llvm/ADT/StringExtras.h"

namespace bitwright {
#define GEN_PASS_DEF_PRINTSYMBOLICSHAPES
#include "passes/Simplify/PrintSymbolicShapes/PrintSymbolicShapes.h.inc"
} // namespace bitwright

using namespace mlir;
using namespace bitwright;

/// The text of `expr` with symbol i called names[i].
static std::string toText(AffineExpr expr, ArrayRef<DimSymbol> symbols) {
  std::string text, result;
  llvm::raw_string_ostream(text) << expr;
  // AffineExpr prints symbol i as si.
  for (size_t i = 0; i < text.size();) {
    size_t end = i + 1;
    while (text[i] == 's' && end < text.size() && llvm::isDigit(text[end]))
      ++end;
    unsigned position;
    if (end > i + 1 && !StringRef(text).slice(i + 1, end).getAsInteger(10, position) && position < symbols.size())
      result += symbols[position].name;
    else
      result += text.substr(i, end - i);
    i = end;
  }
  return result;
}

namespace {
struct PrintSymbolicShapes : bitwright::impl::PrintSymbolicShapesBase<PrintSymbolicShapes> {
  void runOnOperation() override {
    auto shapes = SymbolicShapes::compute(getOperation());
    if (failed(shapes))
      return signalPassFailure();
    SmallVector<DimSymbol> symbols = getSymbols(getOperation());
    getOperation().walk([&](Operation *op) {
      for (Value result : op->getResults())
        if (shapes->contains(result))
          report(op, shapes->get(result), symbols);
    });
    markAllAnalysesPreserved();
  }

  void report(Operation *op, const SymbolicShape &shape, ArrayRef<DimSymbol> symbols) {
    std::string text, bounds;
    for (AffineExpr dim : shape) {
      std::string name = toText(dim, symbols);
      text += (text.empty() ? "" : " x ") + name;
      if (constantOf(dim) || bounds.find("; " + name + " in") != std::string::npos)
        continue;
      auto [low, high] = rangeOf(dim, symbols);
      bounds += "; " + name + " in " + std::to_string(low) + ".." + std::to_string(high);
    }
    op->emitRemark() << (text.empty() ? "scalar" : text) << bounds;
  }
};
} // namespace
