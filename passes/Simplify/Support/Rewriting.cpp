//===- Rewriting.cpp - what the passes of the simplify stage share ---------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "passes/Simplify/Support/Rewriting.h"
#include "llvm/ADT/APFloat.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace bitwright;
using namespace bitwright::simplify;

static DenseElementsAttr toLiteral(const WeightData &data) {
  if (data.type.getElementType().isInteger(1)) {
    // The store keeps one byte an element; the attribute has a form of its own.
    SmallVector<bool> values;
    for (uint8_t byte : data.bytes)
      values.push_back(byte != 0);
    return DenseElementsAttr::get(data.type, values);
  }
  return DenseElementsAttr::getFromRawBuffer(data.type,
                                             {reinterpret_cast<const char *>(data.bytes.data()), data.bytes.size()});
}

Value simplify::createConstant(OpBuilder &builder, Location loc, StringRef name, const WeightData &data) {
  // Sub-byte codes are packed in the store but not in a literal.
  bool packed = data.type.getElementTypeBitWidth() < 8 && !data.type.getElementType().isInteger(1);
  if (data.getNumElements() <= kLiteralElements && !packed) {
    auto op = qnn::ConstantOp::create(builder, loc, data.type, toLiteral(data));
    setName(op, name);
    return op;
  }
  WeightStore &store = getWeightStore(builder.getContext());
  std::string unique = store.uniqueName(name);
  store.set(unique, data);
  auto op = qnn::WeightOp::create(builder, loc, data.type, builder.getStringAttr(unique));
  setName(op, unique);
  return op;
}

WeightData simplify::roundTo(RankedTensorType type, ArrayRef<double> values) {
  auto element = cast<FloatType>(type.getElementType());
  if (element.isF32()) {
    std::vector<float> rounded(values.begin(), values.end());
    return WeightData::copyOf<float>(type, rounded);
  }
  std::vector<uint16_t> rounded;
  rounded.reserve(values.size());
  for (double value : values) {
    APFloat number(value);
    bool lost;
    number.convert(element.getFloatSemantics(), APFloat::rmNearestTiesToEven, &lost);
    rounded.push_back(uint16_t(number.bitcastToAPInt().getZExtValue()));
  }
  return WeightData::copyOf<uint16_t>(type, rounded);
}

std::optional<std::vector<double>> simplify::getDoubles(Value value) {
  auto data = getConstant(value);
  if (!data || !isa<FloatType>(data->type.getElementType()))
    return std::nullopt;
  std::vector<float> floats = toFloats(*data);
  return std::vector<double>(floats.begin(), floats.end());
}

std::optional<std::vector<double>> simplify::getChannelValues(Value value, int64_t rank, int64_t axis, int64_t size) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  if (!type || type.getRank() > rank)
    return std::nullopt;
  for (int64_t i = 0; i < type.getRank(); ++i)
    if (type.getDimSize(i) != 1 && (i + rank - type.getRank() != axis || type.getDimSize(i) != size))
      return std::nullopt;
  auto values = getDoubles(value);
  if (values && values->size() == 1)
    return std::vector<double>(size, (*values)[0]);
  return values;
}

std::string simplify::getConstantName(Value value, const Twine &fallback) {
  if (auto weight = value.getDefiningOp<qnn::WeightOp>())
    return weight.getSource().str();
  StringRef name = value.getDefiningOp() ? bitwright::getName(value.getDefiningOp()) : StringRef();
  return name.empty() ? fallback.str() : name.str();
}

void simplify::eraseIfUnused(ValueRange values) {
  auto isErasable = [](Operation *op) { return op && op->use_empty() && isMemoryEffectFree(op); };
  llvm::SmallSetVector<Operation *, 4> defining;
  for (Value value : values)
    defining.insert(value.getDefiningOp());
  SmallVector<Operation *> worklist;
  for (Operation *op : defining)
    if (isErasable(op))
      worklist.push_back(op);
  while (!worklist.empty()) {
    Operation *op = worklist.pop_back_val();
    llvm::SmallSetVector<Operation *, 4> producers;
    for (Value operand : op->getOperands())
      producers.insert(operand.getDefiningOp());
    op->erase();
    // A producer loses its last use once, so nothing gets into the list twice.
    for (Operation *producer : producers)
      if (isErasable(producer))
        worklist.push_back(producer);
  }
}

Names::Names(func::FuncOp func) {
  func.walk([&](Operation *op) { taken.insert(getName(op)); });
}

std::string Names::derive(const Twine &name) {
  std::string base = name.str(), unique = base;
  for (int i = 1; !taken.insert(unique).second; ++i)
    unique = base + "." + std::to_string(i);
  return unique;
}

//===----------------------------------------------------------------------===//
// ChannelProduct
//===----------------------------------------------------------------------===//

static bool isFloatConstant(Value value) {
  auto type = cast<RankedTensorType>(value.getType());
  return isa<FloatType>(type.getElementType()) && type.hasStaticShape() &&
         isa_and_nonnull<qnn::ConstantOp, qnn::WeightOp>(value.getDefiningOp());
}

std::optional<ChannelProduct> ChannelProduct::match(Value value) {
  Operation *op = value.getDefiningOp();
  if (!isa_and_nonnull<qnn::ConvOp, qnn::ConvTransposeOp, qnn::LinearOp>(op) || !value.hasOneUse())
    return std::nullopt;
  for (Value operand : op->getOperands().drop_front())
    if (!isFloatConstant(operand) || !getConstant(operand))
      return std::nullopt;
  ChannelProduct product;
  product.op = op;
  auto type = cast<RankedTensorType>(value.getType());
  product.axis = isa<qnn::LinearOp>(op) ? type.getRank() - 1 : 1;
  // From the weight: the result's type may say `?`.
  auto weight = cast<RankedTensorType>(op->getOperand(1).getType());
  if (weight.getNumElements() == 0)
    return std::nullopt;
  product.channels = weight.getDimSize(0);
  if (auto transposed = dyn_cast<qnn::ConvTransposeOp>(op))
    product.channels = weight.getDimSize(1) * int64_t(transposed.getGroups());
  return product;
}

void ChannelProduct::apply(ArrayRef<double> scale, ArrayRef<double> shift) {
  OpBuilder builder(op);
  StringRef name = bitwright::getName(op);
  if (!scale.empty()) {
    Value old = op->getOperand(1);
    auto type = cast<RankedTensorType>(old.getType());
    std::vector<double> values = *getDoubles(old);
    int64_t inner = values.size() / type.getDimSize(0);
    if (auto transposed = dyn_cast<qnn::ConvTransposeOp>(op)) {
      // Weights are C x O/groups x kernel: channel = group of the row, then the column.
      int64_t columns = type.getDimSize(1), kernel = inner / columns,
              rows = type.getDimSize(0) / int64_t(transposed.getGroups());
      for (size_t i = 0; i < values.size(); ++i)
        values[i] *= scale[int64_t(i) / inner / rows * columns + int64_t(i) / kernel % columns];
    } else {
      for (size_t i = 0; i < values.size(); ++i)
        values[i] *= scale[int64_t(i) / inner];
    }
    op->setOperand(
        1, createConstant(builder, op->getLoc(), getConstantName(old, name + "/weight"), roundTo(type, values)));
    eraseIfUnused(old);
  }
  bool hasBias = op->getNumOperands() > 2;
  if (!hasBias && shift.empty())
    return;
  Type element = cast<RankedTensorType>(op->getResult(0).getType()).getElementType();
  std::vector<double> bias(channels, 0.0);
  std::string biasName = (name + "/bias").str();
  if (hasBias) {
    bias = *getDoubles(op->getOperand(2));
    biasName = getConstantName(op->getOperand(2), name + "/bias");
  }
  for (int64_t c = 0; c < channels; ++c)
    bias[c] = bias[c] * (scale.empty() ? 1.0 : scale[c]) + (shift.empty() ? 0.0 : shift[c]);
  Value created =
      createConstant(builder, op->getLoc(), biasName, roundTo(RankedTensorType::get({channels}, element), bias));
  if (hasBias) {
    Value old = op->getOperand(2);
    op->setOperand(2, created);
    eraseIfUnused(old);
  } else {
    op->insertOperands(2, created);
  }
}
