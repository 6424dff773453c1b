//===- AssignSchemes.cpp - gives every operation its scheme, from a recipe -===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "passes/Allocate/AssignSchemes/AssignSchemes.h"
#include "dialects/Qnn/Qnn.h"
#include "lib/Statistics/Statistics.h"
#include "passes/Quantize/QuantizerPlacement.h"
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
    good = true;
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
    SmallVector<NamedAttribute> entries = {
        builder.getNamedAttr("name", builder.getStringAttr(plan.name)),
        builder.getNamedAttr("multiplier_bits", builder.getI64IntegerAttr(plan.multiplierBits)),
        builder.getNamedAttr("bias_correction", builder.getBoolAttr(plan.biasCorrection))};
    if (plan.floatStorage != "f32")
      entries.push_back(builder.getNamedAttr("float", builder.getStringAttr(plan.floatStorage)));
    func->setAttr(recipeAttr, builder.getDictionaryAttr(entries));
    if (plan.quantize && found)
      for (BlockArgument argument : func.getArguments())
        if (const ValueStatistics *value = found->lookup(getValueName(argument))) {
          ActivationScheme scheme = plan.schemeFor(getValueName(argument), "").activations;
          Attribute range = rangeOf(builder, *value, scheme), extremes = extremesOf(builder, *value);
          func.setArgAttr(argument.getArgNumber(), rangeAttr, range);
          if (extremes != range)
            func.setArgAttr(argument.getArgNumber(), wideRangeAttr, extremes);
          if (scheme.format == "s16" && scheme.scales == ActivationScales::Static)
            setActivationStorage(argument, "s16");
        }

    for (Operation &op : func.getBody().front()) {
      if (op.getNumResults() == 0 || isa<qnn::ConstantOp, qnn::WeightOp, qnn::QuantizeOp, qnn::DequantizeOp>(op))
        continue;
      assign(&op, plan, found.get(), builder);
    }
    warnAboutPatterns(func, plan);
    if (!good)
      signalPassFailure();
  }
  bool good = true;

  static Attribute rangeOf(Builder &builder, const ValueStatistics &value, const ActivationScheme &scheme) {
    Range range = chooseRange(value, scheme, bitsOf(scheme.format));
    return builder.getDenseF64ArrayAttr({range.low, range.high});
  }

  static Attribute extremesOf(Builder &builder, const ValueStatistics &value) {
    return builder.getDenseF64ArrayAttr({value.extremes.low, value.extremes.high});
  }

  void assign(Operation *op, const Recipe &plan, const Statistics *found, Builder &builder) {
    OpScheme scheme = plan.schemeFor(bitwright::getName(op), op->getName().stripDialect());
    const ValueStatistics *value = found ? found->lookup(getValueName(op->getResult(0))) : nullptr;
    if (plan.quantize && value) {
      Attribute range = rangeOf(builder, *value, scheme.activations), extremes = extremesOf(builder, *value);
      op->setAttr(rangeAttr, range);
      if (extremes != range)
        op->setAttr(wideRangeAttr, extremes);
    }
    OpClass kind = classify(op);
    std::string reason = !scheme.keepFloat.empty() ? scheme.keepFloat
                         : kind == OpClass::Other  ? reasonForFloat(op)
                                                   : "";
    if (!reason.empty()) {
      op->setAttr(keepFloatAttr, builder.getStringAttr(reason));
      // What others read of its result.
      if (plan.quantize && scheme.activations.format == "s16" &&
          scheme.activations.scales == ActivationScales::Static && op->getNumResults() == 1)
        setActivationStorage(op->getResult(0), "s16");
      remarkOn(op, false, "allocate", "float", "stays float: " + reason);
      return;
    }
    if (failed(assignScheme(op, scheme, kind, builder)))
      good = false;
  }

  /// What an operation gets that does not stay float.
  LogicalResult assignScheme(Operation *op, const OpScheme &scheme, OpClass kind, Builder &builder) {
    bool isStatic = scheme.activations.scales == ActivationScales::Static;
    const WeightScheme &weights = scheme.weights;
    auto stayFloat = [&](StringRef reason) {
      op->setAttr(keepFloatAttr, builder.getStringAttr(reason));
      remarkOn(op, false, "allocate", "float", "stays float: " + reason.str());
      return success();
    };
    if (!isStatic && kind != OpClass::Product)
      return stayFloat(scheme.activations.scales == ActivationScales::None
                           ? "the recipe quantizes weights only"
                           : "activations have a scale a token: only linear layers run on their codes");
    if (scheme.activations.scales == ActivationScales::PerToken && !isa<qnn::LinearOp>(op))
      return stayFloat("a scale a token is for linear layers: expected activations.scales: static for this operation");
    std::string text;
    if (scheme.activations.scales == ActivationScales::None) {
      op->setAttr(weightOnlyAttr, builder.getUnitAttr());
      text = "float activations";
    } else {
      auto attr = isStatic ? qnn::SchemeAttr::get(op->getContext(), scheme.activations.format)
                           : qnn::SchemeAttr::get(op->getContext(), scheme.activations.format,
                                                  qnn::Granularity::PerToken, -1, 0);
      op->setAttr(activationSchemeAttr, attr);
      text = "activation " + scheme.activations.format +
             (isStatic ? ", " + toString(scheme.activations.observer).str() : " per token");
    }
    if (kind == OpClass::Product) {
      std::string granularity = weights.perAxis ? " per output channel, " : " per tensor, ";
      auto attr = weights.perAxis ? qnn::SchemeAttr::get(op->getContext(), weights.format, weightAxis(op))
                                  : qnn::SchemeAttr::get(op->getContext(), weights.format);
      // Groups run along K of a linear layer; a convolution has one scale an output channel instead.
      if (weights.group && isa<qnn::LinearOp>(op)) {
        int64_t k = cast<RankedTensorType>(getWeightOf(op).getType()).getDimSize(1);
        if (bitsOf(weights.format) > 4 && scheme.activations.scales != ActivationScales::None)
          return op->emitOpError() << "'" << bitwright::getName(op)
                                   << "': weights.format: expected s4, s3 or s2 in groups with float scales that meet "
                                      "quantized activations, found "
                                   << weights.format << "; choose granularity axis, or activations.scales: none";
        if (k % weights.group)
          return op->emitOpError() << "'" << bitwright::getName(op)
                                   << "': weights.granularity: expected groups that divide " << k
                                   << ", the number of its inputs, found groups of " << weights.group
                                   << "; choose another size or granularity axis, for this layer with 'overrides'";
        attr = qnn::SchemeAttr::get(op->getContext(), weights.format,
                                    weights.twoLevel ? qnn::Granularity::TwoLevel : qnn::Granularity::Group, 1,
                                    weights.group);
        granularity = (weights.twoLevel ? ", two levels, groups of " : ", groups of ") + std::to_string(weights.group) +
                      (weights.zeroPoint ? " with zero points, " : ", ");
        if (weights.zeroPoint)
          op->setAttr(weightZeroPointAttr, builder.getUnitAttr());
      }
      op->setAttr(weightSchemeAttr, attr);
      if (weights.rounding == WeightRounding::Gptq) {
        op->setAttr(weightRoundingAttr, builder.getStringAttr("gptq"));
        granularity += "gptq, ";
      }
      op->setAttr(weightClipAttr, builder.getStringAttr(toString(weights.clip)));
      if (weights.clip == WeightClip::Percentile)
        op->setAttr(weightPercentileAttr, builder.getF64FloatAttr(weights.percentile));
      text = "weight " + weights.format + granularity + toString(weights.clip).str() + "; " + text;
    }
    remarkOn(op, true, "allocate", "scheme", text);
    return success();
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
