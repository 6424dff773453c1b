//===- Interpreter.cpp - runs functions op by op ---------------------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "lib/Reference/Interpreter.h"

#include "dialects/Qnn/Qnn.h"

#include <thread>

using namespace mlir;
using namespace bitwright;
using namespace bitwright::reference;

//===----------------------------------------------------------------------===//
// The table
//===----------------------------------------------------------------------===//

static LogicalResult runConstant(qnn::ConstantOp op, OpRun &run) {
  std::optional<WeightData> data = getConstant(op.getOutput());
  if (!data)
    return failure();
  run.set(fromWeight(*data));
  return success();
}

static LogicalResult runWeight(qnn::WeightOp op, OpRun &run) {
  std::optional<WeightData> data = getConstant(op.getOutput());
  if (!data)
    return failure(); // diagnosed by the store
  run.set(fromWeight(*data));
  return success();
}

/// A fused region computes what its body computes.
static LogicalResult runRegion(OpRun &run) {
  SmallVector<Tensor> arguments;
  for (unsigned i = 0; i < run.getNumOperands(); ++i)
    arguments.push_back(run.operand(i));
  FailureOr<SmallVector<Tensor>> results = run.runBlock(run.getOp()->getRegion(0).front(), arguments);
  if (failed(results))
    return failure();
  for (auto [i, tensor] : llvm::enumerate(*results))
    run.set(tensor, unsigned(i));
  return success();
}

OpTable::OpTable() {
  add<qnn::ConstantOp>(runConstant);
  add<qnn::WeightOp>(runWeight);
  add("kernel.fused", runRegion);
  registerElementwise(*this);
  registerProducts(*this);
  registerReductions(*this);
  registerMovement(*this);
  registerResize(*this);
  registerQuantization(*this);
  registerDyadic(*this);
}

OpTable &OpTable::get() {
  static OpTable table;
  return table;
}

const OpFunction *OpTable::find(StringRef name) const {
  auto it = table.find(name);
  return it == table.end() ? nullptr : &it->second;
}

std::vector<std::string> OpTable::names() const {
  std::vector<std::string> names;
  for (const auto &entry : table)
    names.push_back(entry.getKey().str());
  llvm::sort(names);
  return names;
}

//===----------------------------------------------------------------------===//
// One operation
//===----------------------------------------------------------------------===//

Tensor OpRun::get(Value value) const {
  if (!value)
    return {};
  for (OpOperand &use : op->getOpOperands())
    if (use.get() == value)
      return operands[use.getOperandNumber()];
  llvm_unreachable("not an operand of this operation");
}

Element OpRun::elementOfResult(unsigned i) const {
  std::optional<Element> element = elementOf(cast<RankedTensorType>(op->getResult(i).getType()).getElementType());
  assert(element && "results have element types of the dialects");
  return *element;
}

Shape OpRun::evaluate(AffineMap map) const {
  Shape shape;
  for (AffineExpr expr : map.getResults())
    shape.push_back(bitwright::evaluate(expr, symbols));
  return shape;
}

/// Larger tensors are taken for a mistake in the model.
static constexpr int64_t kMaxElements = int64_t(1) << 32;

/// The number of elements of a shape of non-negative dimensions, if it is at most `limit`.
static std::optional<int64_t> countWithin(ArrayRef<int64_t> shape, int64_t limit) {
  if (llvm::is_contained(shape, 0))
    return 0;
  int64_t count = 1;
  for (int64_t dim : shape) {
    if (dim > limit / count)
      return std::nullopt;
    count *= dim;
  }
  return count;
}

FailureOr<SmallVector<Tensor>> OpRun::runBlock(Block &block, ArrayRef<Tensor> arguments) {
  llvm::DenseMap<Value, Tensor> values;
  llvm::DenseMap<Value, unsigned> uses; // operand uses that are still to come: a tensor is dropped after its last one
  auto define = [&](Value value, Tensor tensor) {
    unsigned count = unsigned(std::distance(value.use_begin(), value.use_end()));
    if (count == 0)
      return;
    uses[value] = count;
    values[value] = std::move(tensor);
  };
  for (auto [argument, tensor] : llvm::zip_equal(block.getArguments(), arguments))
    define(argument, tensor);

  for (Operation &inner : block) {
    SmallVector<Tensor> operandTensors;
    for (Value operand : inner.getOperands()) {
      auto it = values.find(operand);
      if (it == values.end())
        return inner.emitOpError("has an operand from outside its block, which the interpreter does not follow"),
               failure();
      operandTensors.push_back(it->second);
    }
    for (Value operand : inner.getOperands())
      if (--uses[operand] == 0)
        values.erase(operand);
    if (inner.hasTrait<OpTrait::IsTerminator>())
      return operandTensors;

    const OpFunction *function = OpTable::get().find(inner.getName().getStringRef());
    if (!function)
      return inner.emitOpError("has no function in the interpreter: add one in lib/Reference and register it"),
             failure();
    SmallVector<Shape> resultShapes;
    for (Value result : inner.getResults()) {
      if (!isa<RankedTensorType>(result.getType()))
        return inner.emitOpError() << "expected results that are ranked tensors, found " << result.getType(), failure();
      Shape shape;
      for (AffineExpr dim : shapes.get(result))
        shape.push_back(bitwright::evaluate(dim, symbols));
      for (int64_t dim : shape)
        if (dim < 0)
          return inner.emitOpError() << "has a result dimension of " << dim
                                     << " for these input shapes: expected 0 or more",
                 failure();
      if (std::optional<int64_t> count = countWithin(shape, kMaxElements); !count)
        return inner.emitOpError() << "has a result of shape [" << llvm::ArrayRef<int64_t>(shape)
                                   << "]: expected at most " << kMaxElements << " elements in the interpreter",
               failure();
      resultShapes.push_back(std::move(shape));
    }
    OpRun run(&inner, operandTensors, resultShapes, symbols, options, shapes);
    if (failed((*function)(run)))
      return failure();
    for (auto [i, result] : llvm::enumerate(inner.getResults())) {
      Tensor &tensor = run.getResults()[i];
      if (!tensor || tensor.getElement() != run.elementOfResult(unsigned(i)) ||
          tensor.getShape() != ArrayRef<int64_t>(resultShapes[i]))
        return inner.emitOpError() << "expected the interpreter to give " << nameOf(run.elementOfResult(unsigned(i)))
                                   << " of shape [" << llvm::ArrayRef<int64_t>(resultShapes[i]) << "] for result #" << i
                                   << ", found " << (tensor ? tensor.describe() : "nothing"),
               failure();
      if (options.observer)
        options.observer(&inner, unsigned(i), tensor);
      define(result, std::move(tensor));
    }
  }
  return block.getParentOp()->emitOpError("has a body without a terminator"), failure();
}

//===----------------------------------------------------------------------===//
// Functions
//===----------------------------------------------------------------------===//

FailureOr<SmallVector<int64_t>> reference::bindSymbols(func::FuncOp func, ArrayRef<Shape> inputShapes) {
  SmallVector<DimSymbol> symbols = getSymbols(func);
  SmallVector<std::optional<int64_t>> bound(symbols.size());
  if (inputShapes.size() != func.getNumArguments())
    return func.emitError() << "expected " << func.getNumArguments() << " inputs, found " << inputShapes.size(),
           failure();
  // Symbols that stand alone in a dimension get their value there; then every dimension is checked.
  auto dimsOf = [&](unsigned i) { return func.getArgAttrOfType<AffineMapAttr>(i, "qnn.dims"); };
  for (auto [i, shape] : llvm::enumerate(inputShapes)) {
    auto type = cast<RankedTensorType>(func.getArgument(unsigned(i)).getType());
    if (type.getRank() != int64_t(shape.size()))
      return func.emitError() << "input " << i << ": expected rank " << type.getRank() << ", found " << shape.size(),
             failure();
    if (AffineMapAttr dims = dimsOf(unsigned(i)))
      for (auto [expr, size] : llvm::zip_equal(dims.getValue().getResults(), shape))
        if (auto symbol = dyn_cast<AffineSymbolExpr>(expr))
          if (symbol.getPosition() < bound.size() && !bound[symbol.getPosition()])
            bound[symbol.getPosition()] = size;
  }
  SmallVector<int64_t> values;
  for (auto [symbol, value] : llvm::zip_equal(symbols, bound)) {
    if (!value)
      return func.emitError() << "dimension " << symbol.name << " has no input that gives its value", failure();
    if (*value < symbol.min || *value > symbol.max || (symbol.divisor > 1 && *value % symbol.divisor != 0))
      return func.emitError() << "dimension " << symbol.name << ": expected " << symbol.min << ".." << symbol.max
                              << " in steps of " << symbol.divisor << ", found " << *value,
             failure();
    values.push_back(*value);
  }
  for (auto [i, shape] : llvm::enumerate(inputShapes)) {
    auto type = cast<RankedTensorType>(func.getArgument(unsigned(i)).getType());
    AffineMapAttr dims = dimsOf(unsigned(i));
    for (auto [d, size] : llvm::enumerate(shape)) {
      int64_t expected =
          dims ? bitwright::evaluate(dims.getValue().getResult(unsigned(d)), values) : type.getDimSize(unsigned(d));
      if (expected != size)
        return func.emitError() << "input " << i << ": expected dimension " << d << " to be " << expected << ", found "
                                << size,
               failure();
    }
  }
  return values;
}

FailureOr<SmallVector<Tensor>> reference::interpret(func::FuncOp func, ArrayRef<Tensor> inputs,
                                                    const InterpretOptions &options) {
  FailureOr<SymbolicShapes> shapes = SymbolicShapes::compute(func);
  if (failed(shapes))
    return failure();
  if (!llvm::hasSingleElement(func.getBody()))
    return func.emitError("expected a body of one block"), failure();
  SmallVector<Shape> inputShapes;
  for (auto [i, input] : llvm::enumerate(inputs)) {
    inputShapes.emplace_back(input.getShape());
    if (i >= func.getNumArguments())
      continue; // the count is diagnosed below
    Type type = cast<RankedTensorType>(func.getArgument(unsigned(i)).getType()).getElementType();
    std::optional<Element> element = elementOf(type);
    if (!element || *element != input.getElement())
      return func.emitError() << "input " << i << ": expected elements of type " << type << ", found "
                              << nameOf(input.getElement()),
             failure();
  }
  FailureOr<SmallVector<int64_t>> symbols = bindSymbols(func, inputShapes);
  if (failed(symbols))
    return failure();
  OpRun root(func, {}, {}, *symbols, options, *shapes);
  return root.runBlock(func.getBody().front(), inputs);
}

void reference::parallelFor(int64_t n, unsigned threads, llvm::function_ref<void(int64_t, int64_t)> body) {
  int64_t parts = std::min<int64_t>(std::max(1u, threads), n);
  if (parts <= 1) {
    if (n > 0)
      body(0, n);
    return;
  }
  SmallVector<std::thread> workers;
  for (int64_t part = 1; part < parts; ++part)
    workers.emplace_back([=] { body(n * part / parts, n * (part + 1) / parts); });
  body(0, n / parts);
  for (std::thread &worker : workers)
    worker.join();
}
