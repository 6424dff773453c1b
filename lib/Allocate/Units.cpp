//===- Units.cpp - what there is to decide about a graph --------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "lib/Allocate/Units.h"
#include "lib/Statistics/Statistics.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/STLExtras.h"

using namespace mlir;
using namespace bitwright;

SmallVector<Operation *> bitwright::quantizedProducts(func::FuncOp func) {
  SmallVector<Operation *> products;
  func.walk([&](Operation *op) {
    if (op->hasAttr(weightSchemeAttr) && !op->hasAttr(keepFloatAttr))
      products.push_back(op);
  });
  return products;
}

qnn::SchemeAttr bitwright::weightSchemeWith(Operation *product, StringRef storage) {
  auto scheme = product->getAttrOfType<qnn::SchemeAttr>(weightSchemeAttr);
  MLIRContext *context = product->getContext();
  if (bitsOf(storage) > 4 && scheme.getGranularity() != qnn::Granularity::Tensor)
    return qnn::SchemeAttr::get(context, storage, weightAxis(product));
  return qnn::SchemeAttr::get(context, storage, scheme.getGranularity(), scheme.getAxis(), scheme.getGroup());
}

std::string bitwright::graphDigest(func::FuncOp func) {
  OwningOpRef<func::FuncOp> plain = func.clone();
  StringRef added[] = {weightSchemeAttr,   weightClipAttr, weightPercentileAttr, weightZeroPointAttr, weightRoundingAttr,
                       weightOnlyAttr, activationSchemeAttr, rangeAttr, keepFloatAttr, recipeAttr};
  plain->walk([&](Operation *op) {
    for (StringRef name : added)
      op->removeAttr(name);
  });
  for (unsigned i = 0; i < plain->getNumArguments(); ++i)
    for (StringRef name : added)
      plain->removeArgAttr(i, name);
  return digestOf(*plain);
}

/// Operations that write or read codes of a value.
static SmallVector<Operation *> operationsAround(const QuantizerPlacement &placement, Value value) {
  SmallVector<Operation *> result;
  auto add = [&](Operation *op) {
    if (placement.isInteger(op) && !llvm::is_contained(result, op))
      result.push_back(op);
  };
  // Behind a fused clamp or table stands the operation that computes.
  for (Operation *op = value.getDefiningOp(); placement.isInteger(op);) {
    add(op);
    Value input = dataOperands(op)[0]->get();
    if (!placement.isFused(input))
      break;
    op = input.getDefiningOp();
  }
  for (Operation *user : value.getUsers())
    add(user);
  return result;
}

AllocationUnits AllocationUnits::compute(func::FuncOp func, const FormatChoices &choices) {
  AllocationUnits result;
  result.digest = graphDigest(func);
  auto placement = QuantizerPlacement::compute(func);
  llvm::DenseMap<Value, int> classOf;
  for (SmallVector<Value> &values : placement.classes()) {
    // Constants become codes too, but take the format of what they meet.
    llvm::erase_if(values, isConstantValue);
    if (values.empty())
      continue;
    ActivationClass added;
    added.name = getValueName(values.front());
    added.values = values;
    std::string present = QuantizerPlacement::storageOf(values.front()).str();
    for (const std::string &format : choices.activations) {
      bool everywhere = llvm::all_of(values, [&](Value value) {
        return llvm::all_of(operationsAround(placement, value),
                            [&](Operation *op) { return computesOnActivation(op, format); });
      });
      if (everywhere || format == present)
        added.formats.push_back(format);
    }
    if (!llvm::is_contained(added.formats, present))
      added.formats.insert(added.formats.begin(), present);
    for (Value value : values)
      classOf[value] = int(result.classes.size());
    result.classes.push_back(std::move(added));
  }
  SmallVector<bool> read(result.classes.size());
  for (Operation *product : quantizedProducts(func)) {
    AllocationUnit unit;
    unit.name = getName(product).str();
    unit.product = product;
    if (auto it = classOf.find(product->getOperand(0)); it != classOf.end()) {
      unit.activation = it->second;
      read[size_t(it->second)] = true;
    }
    unit.weights = choices.weights;
    // Convolutions on floats have their weight unpacked in the file: fewer bits would save nothing.
    if (isWeightOnly(product) && !isa<qnn::LinearOp>(product))
      unit.weights = {product->getAttrOfType<qnn::SchemeAttr>(weightSchemeAttr).getStorage().str()};
    result.units.push_back(std::move(unit));
  }
  for (auto [index, entry] : llvm::enumerate(result.classes))
    if (!read[index])
      result.units.push_back({entry.name + ":codes", nullptr, int(index), {}});
  return result;
}

solver::AllocationProblem AllocationUnits::toProblem() const {
  solver::AllocationProblem problem;
  problem.digest = digest;
  SmallVector<std::vector<unsigned>> readers(classes.size());
  for (auto [index, unit] : llvm::enumerate(units)) {
    solver::Group group;
    group.name = unit.name;
    if (unit.product)
      group.elements = double(cast<RankedTensorType>(getWeightOf(unit.product).getType()).getNumElements());
    std::vector<std::string> weights = unit.weights, activations = {""};
    if (weights.empty())
      weights = {"-"};
    if (unit.activation >= 0) {
      activations = classes[size_t(unit.activation)].formats;
      readers[size_t(unit.activation)].push_back(unsigned(index));
    }
    for (const std::string &weight : weights)
      for (const std::string &activation : activations) {
        if (unit.product && !activation.empty() && !hasKernel(unit.product, weight, activation))
          continue;
        solver::Choice choice;
        choice.weight = weight;
        choice.activation = activation;
        group.choices.push_back(choice);
      }
    problem.groups.push_back(std::move(group));
  }
  for (std::vector<unsigned> &tied : readers)
    if (tied.size() > 1)
      problem.ties.push_back({std::move(tied), solver::Side::Activation});
  return problem;
}
