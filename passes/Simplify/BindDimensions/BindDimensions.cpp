//===- BindDimensions.cpp - narrower ranges for symbolic dimensions ------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "passes/Simplify/BindDimensions/BindDimensions.h"
#include "dialects/Qnn/Qnn.h"
#include "mlir/IR/AttrTypeSubElements.h"
#include "llvm/Support/MathExtras.h"
#include <numeric>

namespace bitwright {
#define GEN_PASS_DEF_BINDDIMENSIONS
#include "passes/Simplify/BindDimensions/BindDimensions.h.inc"
} // namespace bitwright

using namespace mlir;
using namespace bitwright;

namespace {

struct Binding {
  std::string key;
  int64_t min, max, divisor = 1;
};

/// "320", "32..1280" or "32..1280/8".
bool parseValue(StringRef text, Binding &binding) {
  auto [range, divisor] = text.split('/');
  auto [low, high] = range.split("..");
  if (low.getAsInteger(10, binding.min))
    return false;
  binding.max = binding.min;
  if (range.contains("..") && high.getAsInteger(10, binding.max))
    return false;
  if (text.contains('/') && (divisor.getAsInteger(10, binding.divisor) || binding.divisor < 1))
    return false;
  return binding.min >= 1 && binding.min <= binding.max;
}

std::string describe(const DimSymbol &symbol) {
  std::string text = std::to_string(symbol.min) + ".." + std::to_string(symbol.max);
  return symbol.divisor == 1 ? text : text + "/" + std::to_string(symbol.divisor);
}

struct BindDimensions : bitwright::impl::BindDimensionsBase<BindDimensions> {
  using BindDimensionsBase::BindDimensionsBase;

  /// The position of the symbol that `key` names; diagnoses.
  FailureOr<size_t> find(StringRef key, ArrayRef<DimSymbol> symbols) {
    func::FuncOp func = getOperation();
    for (auto [index, symbol] : llvm::enumerate(symbols))
      if (symbol.name == key)
        return index;
    auto [input, axisText] = key.rsplit(':');
    unsigned axis;
    if (!axisText.empty() && !axisText.getAsInteger(10, axis))
      for (BlockArgument argument : func.getArguments()) {
        auto name = func.getArgAttrOfType<StringAttr>(argument.getArgNumber(), "qnn.name");
        auto dims = func.getArgAttrOfType<AffineMapAttr>(argument.getArgNumber(), "qnn.dims");
        if (!name || name.getValue() != input)
          continue;
        int64_t rank = cast<ShapedType>(argument.getType()).getRank();
        if (axis >= rank)
          return func.emitError() << "dimension '" << key << "': input '" << input << "' has " << rank << " dimensions",
                 failure();
        AffineExpr expr =
            dims ? dims.getValue().getResult(axis)
                 : getAffineConstantExpr(cast<ShapedType>(argument.getType()).getDimSize(axis), func.getContext());
        if (auto symbol = dyn_cast<AffineSymbolExpr>(expr))
          return size_t(symbol.getPosition());
        std::string text;
        llvm::raw_string_ostream(text) << expr;
        return func.emitError() << "dimension '" << key << "': expected one symbol of the model there, found " << text,
               failure();
      }
    InFlightDiagnostic error = func.emitError() << "unknown dimension '" << key << "': ";
    if (symbols.empty())
      return error << "the model has no symbolic dimensions", failure();
    error << "the model has ";
    llvm::interleave(
        symbols, [&](const DimSymbol &symbol) { error << symbol.name << " (" << describe(symbol) << ")"; },
        [&] { error << ", "; });
    return failure();
  }

  LogicalResult narrow(DimSymbol &symbol, const Binding &binding) {
    if (binding.min < symbol.min || binding.max > symbol.max)
      return getOperation().emitError() << "dimension '" << symbol.name
                                        << "': expected a value within the declared range " << describe(symbol)
                                        << ", found " << describe({"", binding.min, binding.max, binding.divisor});
    int64_t divisor = std::lcm(symbol.divisor, binding.divisor);
    int64_t low = llvm::divideCeilSigned(binding.min, divisor) * divisor,
            high = llvm::divideFloorSigned(binding.max, divisor) * divisor;
    if (low > high)
      return getOperation().emitError() << "dimension '" << symbol.name << "': expected a multiple of " << divisor
                                        << ", found " << describe({"", binding.min, binding.max, 1});
    symbol.min = low;
    symbol.max = high;
    symbol.divisor = low == high ? 1 : divisor;
    return success();
  }

  void runOnOperation() override {
    func::FuncOp func = getOperation();
    if (func.isExternal())
      return;
    SmallVector<DimSymbol> symbols = getSymbols(func);
    for (const std::string &text : dims) {
      auto [key, value] = StringRef(text).split('=');
      Binding binding;
      if (key.empty() || !parseValue(value, binding)) {
        func.emitError()
            << "expected NAME=VALUE, NAME=LOW..HIGH or NAME=LOW..HIGH/DIVISOR with 1 <= LOW <= HIGH, found '" << text
            << "'";
        return signalPassFailure();
      }
      auto index = find(key, symbols);
      if (failed(index) || failed(narrow(symbols[*index], binding)))
        return signalPassFailure();
    }
    substitute(func, symbols);
  }

  /// Replaces symbols of one value by it, renumbers the others and derives all types again.
  void substitute(func::FuncOp func, ArrayRef<DimSymbol> symbols) {
    MLIRContext *context = func.getContext();
    SmallVector<AffineExpr> replacements;
    SmallVector<DimSymbol> kept;
    for (const DimSymbol &symbol : symbols) {
      if (symbol.min == symbol.max) {
        replacements.push_back(getAffineConstantExpr(symbol.min, context));
      } else {
        replacements.push_back(getAffineSymbolExpr(kept.size(), context));
        kept.push_back(symbol);
      }
    }
    setSymbols(func, kept);
    if (kept.size() == symbols.size())
      return;
    AttrTypeReplacer replacer;
    replacer.addReplacement([&](AffineMapAttr attr) -> std::optional<Attribute> {
      AffineMap map = attr.getValue();
      // Maps over dims are something else (layouts), maps without symbols are constant already.
      if (map.getNumDims() != 0 || map.getNumSymbols() != symbols.size())
        return std::nullopt;
      SmallVector<AffineExpr> results;
      for (AffineExpr expr : map.getResults())
        results.push_back(simplifyAffineExpr(expr.replaceSymbols(replacements), 0, kept.size()));
      return AffineMapAttr::get(AffineMap::get(0, kept.size(), results, context));
    });
    replacer.recursivelyReplaceElementsIn(func, /*replaceAttrs=*/true);

    SymbolicShapes shapes(kept.size());
    for (BlockArgument argument : func.getArguments()) {
      auto type = cast<RankedTensorType>(argument.getType());
      auto map = func.getArgAttrOfType<AffineMapAttr>(argument.getArgNumber(), "qnn.dims");
      SymbolicShape shape = map ? SymbolicShape(map.getValue().getResults()) : staticShape(type);
      argument.setType(bitwright::typeOf(shape, type.getElementType()));
      shapes.set(argument, shape);
    }
    for (Operation &op : func.getBody().front().without_terminator()) {
      if (op.getNumRegions() != 0) {
        op.emitOpError()
            << "has a region, whose types this pass does not know: expected dimensions to be bound before fuse";
        return signalPassFailure();
      }
      if (failed(shapes.visit(&op, /*refineTypes=*/true)))
        return signalPassFailure();
    }
    Operation *terminator = func.getBody().front().getTerminator();
    func.setType(FunctionType::get(context, func.getBody().getArgumentTypes(), terminator->getOperandTypes()));
  }
};
} // namespace
