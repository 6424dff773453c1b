//===- AssignSchemes.cpp - gives every operation its scheme, from a recipe -===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "passes/Allocate/AssignSchemes/AssignSchemes.h"
#include "dialects/Qnn/Qnn.h"
#include "lib/Statistics/Statistics.h"
#include "passes/Quantize/QuantizableOps.h"
#include "passes/Quantize/Remark.h"
#include "llvm/ADT/StringSet.h"

namespace bitwright {
#define GEN_PASS_DEF_ASSIGNSCHEMES
#include "passes/Allocate/AssignSchemes/AssignSchemes.h.inc"
} // namespace bitwright

using namespace mlir;
using namespace bitwright;

namespace {
struct AssignSchemes : bitwright::impl::AssignSchemesBase<AssignSchemes> {
  using AssignSchemesBase::AssignSchemesBase;

  void runOnOperation() override {
    func::FuncOp func = getOperation();
    auto loaded = Recipe::load(recipe);
    if (!loaded) {
      func.emitError() << llvm::toString(loaded.takeError());
      return signalPassFailure();
    }
    const Recipe &plan = *loaded;
    std::shared_ptr<const Statistics> found = func.getContext()->getOrLoadDialect<qnn::QnnDialect>()->getStatistics();
    if (!statistics.empty()) {
      auto file = Statistics::load(statistics);
      if (!file) {
        func.emitError() << llvm::toString(file.takeError());
        return signalPassFailure();
      }
      found = std::make_shared<Statistics>(std::move(*file));
    }

    Builder builder(func.getContext());
    func->setAttr(recipeAttr,
                  builder.getDictionaryAttr(
                      {builder.getNamedAttr("name", builder.getStringAttr(plan.name)),
                       builder.getNamedAttr("multiplier_bits", builder.getI64IntegerAttr(plan.multiplierBits)),
                       builder.getNamedAttr("bias_correction", builder.getBoolAttr(plan.biasCorrection))}));
    if (plan.quantize && found)
      for (BlockArgument argument : func.getArguments())
        if (const ValueStatistics *value = found->lookup(getValueName(argument)))
          func.setArgAttr(argument.getArgNumber(), rangeAttr,
                          rangeOf(builder, *value, plan.schemeFor(getValueName(argument), "").activations));

    for (Operation &op : func.getBody().front()) {
      if (op.getNumResults() == 0 || isa<qnn::ConstantOp, qnn::WeightOp, qnn::QuantizeOp, qnn::DequantizeOp>(op))
        continue;
      assign(&op, plan, found.get(), builder);
    }
    warnAboutPatterns(func, plan);
  }

  static Attribute rangeOf(Builder &builder, const ValueStatistics &value, const ActivationScheme &scheme) {
    Range range = chooseRange(value, scheme, bitsOf(scheme.format));
    return builder.getDenseF64ArrayAttr({range.low, range.high});
  }

  void assign(Operation *op, const Recipe &plan, const Statistics *found, Builder &builder) {
    OpScheme scheme = plan.schemeFor(bitwright::getName(op), op->getName().stripDialect());
    const ValueStatistics *value = found ? found->lookup(getValueName(op->getResult(0))) : nullptr;
    if (plan.quantize && value)
      op->setAttr(rangeAttr, rangeOf(builder, *value, scheme.activations));
    OpClass kind = classify(op);
    std::string reason = !scheme.keepFloat.empty() ? scheme.keepFloat
                         : kind == OpClass::Other  ? reasonForFloat(op)
                                                   : "";
    if (!reason.empty()) {
      op->setAttr(keepFloatAttr, builder.getStringAttr(reason));
      remarkOn(op, false, "allocate", "float", "stays float: " + reason);
      return;
    }
    op->setAttr(activationSchemeAttr, qnn::SchemeAttr::get(op->getContext(), scheme.activations.format));
    std::string text = "activation " + scheme.activations.format + ", " + toString(scheme.activations.observer).str();
    if (kind == OpClass::Product) {
      auto attr = scheme.weights.perAxis ? qnn::SchemeAttr::get(op->getContext(), scheme.weights.format, weightAxis(op))
                                         : qnn::SchemeAttr::get(op->getContext(), scheme.weights.format);
      op->setAttr(weightSchemeAttr, attr);
      op->setAttr(weightClipAttr, builder.getStringAttr(toString(scheme.weights.clip)));
      if (scheme.weights.clip == WeightClip::Percentile)
        op->setAttr(weightPercentileAttr, builder.getF64FloatAttr(scheme.weights.percentile));
      text = "weight " + scheme.weights.format + (scheme.weights.perAxis ? " per output channel, " : " per tensor, ") +
             toString(scheme.weights.clip).str() + "; " + text;
    }
    remarkOn(op, true, "allocate", "scheme", text);
  }

  /// A pattern that matches nothing is most likely a typing error.
  static void warnAboutPatterns(func::FuncOp func, const Recipe &plan) {
    llvm::StringSet<> kinds;
    for (RegisteredOperationName name : func.getContext()->getRegisteredOperationsByDialect("qnn"))
      kinds.insert(name.stripDialect());
    auto matches = [&](StringRef pattern) {
      for (Operation &op : func.getBody().front())
        if (matchesGlob(pattern, bitwright::getName(&op)))
          return true;
      return false;
    };
    for (const RecipeOverride &entry : plan.overrides)
      if (!matches(entry.match))
        func.emitWarning() << plan.file << ":" << entry.line << ": overrides.match: '" << entry.match
                           << "' matches no operation of the model";
    for (const std::string &entry : plan.keepFloat)
      if (!kinds.contains(entry) && !matches(entry))
        func.emitWarning() << "recipe '" << plan.name << "': keep_float: '" << entry
                           << "' is no kind of operation and matches no operation of the model";
  }
};
} // namespace
