//===- Plan.cpp - formats by name, read from a file and applied -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "lib/Allocate/Plan.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"

using namespace mlir;
using namespace bitwright;

FormatPlan bitwright::planOf(const solver::AllocationProblem &problem, llvm::ArrayRef<unsigned> choices) {
  FormatPlan plan;
  plan.digest = problem.digest;
  for (auto [group, index] : llvm::zip(problem.groups, choices)) {
    const solver::Choice &choice = group.choices[index];
    if (choice.weight != "-" || !choice.activation.empty()) // what only costs has no formats
      plan.units.push_back({group.name, choice.weight, choice.activation});
  }
  return plan;
}

llvm::Expected<FormatPlan> bitwright::readPlan(llvm::StringRef path) {
  auto file = llvm::MemoryBuffer::getFile(path, /*IsText=*/true);
  if (!file)
    return llvm::createStringError("cannot read the plan '" + path + "': " + file.getError().message());
  auto json = llvm::json::parse((*file)->getBuffer());
  if (!json)
    return llvm::createStringError("plan '" + path + "': " + llvm::toString(json.takeError()));
  const llvm::json::Object *root = json->getAsObject();
  const llvm::json::Array *groups = root ? root->getArray("groups") : nullptr;
  if (!groups || root->getInteger("version") != 1)
    return llvm::createStringError("plan '" + path +
                                   "': expected version 1 and a list 'groups' (what --plan-out writes)");
  FormatPlan plan;
  if (const llvm::json::Object *model = root->getObject("model"))
    plan.digest = model->getString("digest").value_or("").str();
  llvm::StringSet<> names;
  for (const llvm::json::Value &value : *groups) {
    const llvm::json::Object *group = value.getAsObject();
    auto name = group ? group->getString("name") : std::nullopt;
    auto weight = group ? group->getString("weight") : std::nullopt;
    auto activation = group ? group->getString("activation") : std::nullopt;
    if (!name || !(weight || activation))
      return llvm::createStringError("plan '" + path +
                                     "': expected 'name', and 'weight' or 'activation', in each of 'groups'");
    if (!names.insert(*name).second)
      return llvm::createStringError("plan '" + path + "': '" + *name + "' is named twice");
    if (weight.value_or("") != "-" || activation) // what only costs has no formats
      plan.units.push_back({name->str(), weight.value_or("").str(), activation.value_or("").str()});
  }
  return plan;
}

static llvm::Error checkFormat(StringRef name, StringRef what, StringRef format, llvm::ArrayRef<StringRef> known) {
  if (llvm::is_contained(known, format))
    return llvm::Error::success();
  return llvm::createStringError("the plan gives '" + name + "' the " + what + " format '" + format + "': expected " +
                                 llvm::join(known, ", "));
}

llvm::Error bitwright::applyPlan(func::FuncOp func, const FormatPlan &plan) {
  AllocationUnits units = AllocationUnits::compute(func, {{}, {"s8", "s16"}});
  if (!plan.digest.empty() && plan.digest != units.digest)
    return llvm::createStringError("the plan was made for a model with digest " + plan.digest + ", this one has " +
                                   units.digest + "; remove 'model.digest' from the plan to use it all the same");
  llvm::StringMap<const AllocationUnit *> byName;
  for (const AllocationUnit &unit : units.units)
    byName[unit.name] = &unit;
  llvm::SmallVector<const UnitFormats *> chosenBy(units.classes.size());
  for (const UnitFormats &entry : plan.units) {
    auto it = byName.find(entry.name);
    if (it == byName.end())
      return llvm::createStringError("the plan names '" + entry.name +
                                     "', which is no quantized layer or activation of this model under this recipe");
    const AllocationUnit &unit = *it->getValue();
    bool hasWeight = !entry.weight.empty() && entry.weight != "-";
    if (hasWeight) {
      if (llvm::Error error = checkFormat(entry.name, "weight", entry.weight,
                                          {"s2", "s3", "s4", "s5", "s6", "s7", "s8", "s16"}))
        return error;
      if (!unit.product)
        return llvm::createStringError("the plan gives '" + entry.name +
                                       "' a weight format, but it is an activation: expected \"weight\": \"-\"");
      unit.product->setAttr(weightSchemeAttr, weightSchemeWith(unit.product, entry.weight));
    }
    if (entry.activation.empty())
      continue;
    if (unit.activation < 0)
      return llvm::createStringError("the plan gives '" + entry.name + "' the activation format '" + entry.activation +
                                     "', but its input is no code of a static scale under this recipe");
    const ActivationClass &read = units.classes[size_t(unit.activation)];
    SmallVector<StringRef> formats(read.formats.begin(), read.formats.end());
    if (llvm::Error error = checkFormat(entry.name, "activation", entry.activation, formats))
      return error;
    const UnitFormats *&other = chosenBy[size_t(unit.activation)];
    if (other && other->activation != entry.activation)
      return llvm::createStringError("the plan gives '" + other->name + "' the activation format '" +
                                     other->activation + "' and '" + entry.name + "' '" + entry.activation +
                                     "': both read the values of '" + read.name + "', which have one format");
    other = &entry;
    for (Value value : read.values)
      setActivationStorage(value, entry.activation);
    if (unit.product) {
      StringRef weight = unit.product->getAttrOfType<qnn::SchemeAttr>(weightSchemeAttr).getStorage();
      if (!hasKernel(unit.product, weight, entry.activation))
        return llvm::createStringError("the plan gives '" + entry.name + "' weights of " + weight +
                                       " and activations of " + entry.activation +
                                       ", which no kernel multiplies: expected s8 for one of them");
    }
  }
  return llvm::Error::success();
}
