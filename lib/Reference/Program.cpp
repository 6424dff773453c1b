//===- Program.cpp - runs exec programs with their memory plan -------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// Tensors pass from launch to launch through the bytes of the arena, in the memory order that the plan gives them: a
// plan that overwrites a value too early gives a wrong result here as it would in the runtime.
//
//===----------------------------------------------------------------------===//

#include "dialects/Exec/Exec.h"
#include "dialects/Qnn/Qnn.h"
#include "lib/Reference/Interpreter.h"
#include "lib/Reference/Loops.h"

#include <cstring>

using namespace mlir;
using namespace bitwright;
using namespace bitwright::reference;

namespace {

class ProgramRun {
public:
  ProgramRun(exec::ProgramOp program, const InterpretOptions &options) : program(program), options(options) {
    for (auto tensor : program.getBody().getOps<exec::TensorOp>())
      tensors[tensor.getName()] = tensor;
    for (auto interface : program.getBody().getOps<exec::InterfaceOp>())
      this->interface = interface;
    for (auto symbol : program.getSymbols().getAsRange<qnn::SymbolAttr>())
      symbols.push_back(symbol);
  }

  FailureOr<SmallVector<Tensor>> run(ArrayRef<Tensor> inputs) {
    if (!interface)
      return program.emitError("expected an exec.interface, found none"), failure();
    if (failed(bind(inputs)))
      return failure();
    // Bytes that nobody wrote are not zero: a read before the first write shows.
    arena.assign(size_t(program.getArena()), 0xA5);
    for (const Tensor &input : inputs)
      inputBytes.emplace_back(input.data<uint8_t>(), input.data<uint8_t>() + input.getNumBytes());
    for (Attribute name : interface.getOutputs()) {
      FailureOr<Tensor> blank = declared(interface, cast<StringAttr>(name).getValue());
      if (failed(blank))
        return failure();
      outputBytes.emplace_back(size_t(blank->getNumBytes()), uint8_t(0xA5));
    }
    for (auto launch : program.getBody().getOps<exec::LaunchOp>())
      if (failed(runLaunch(launch)))
        return failure();
    SmallVector<Tensor> results;
    for (auto [i, name] : llvm::enumerate(interface.getOutputs())) {
      Tensor tensor = *declared(interface, cast<StringAttr>(name).getValue());
      std::memcpy(tensor.mutableData<uint8_t>(), outputBytes[i].data(), outputBytes[i].size());
      results.push_back(tensor);
    }
    return results;
  }

private:
  LogicalResult bind(ArrayRef<Tensor> inputs) {
    if (inputs.size() != interface.getInputs().size())
      return program.emitError() << "expected " << interface.getInputs().size() << " inputs, found " << inputs.size();
    SmallVector<std::optional<int64_t>> bound(symbols.size());
    for (auto [name, input] : llvm::zip_equal(interface.getInputs().getAsRange<StringAttr>(), inputs)) {
      exec::TensorOp tensor = tensors.lookup(name.getValue());
      if (!tensor)
        return interface.emitOpError() << "names the tensor '" << name.getValue() << "', which is not declared";
      if (int64_t(tensor.getDims().getNumResults()) != input.getRank() ||
          elementOf(tensor.getType()) != input.getElement())
        return program.emitError() << "input '" << name.getValue() << "': expected rank "
                                   << tensor.getDims().getNumResults() << " of " << tensor.getType() << ", found "
                                   << input.describe();
      for (auto [expr, size] : llvm::zip_equal(tensor.getDims().getResults(), input.getShape()))
        if (auto symbol = dyn_cast<AffineSymbolExpr>(expr); symbol && !bound[symbol.getPosition()])
          bound[symbol.getPosition()] = size;
    }
    for (auto [symbol, value] : llvm::zip_equal(symbols, bound)) {
      if (!value || *value < symbol.getMin() || *value > symbol.getMax() ||
          *value % std::max<int64_t>(1, symbol.getDivisor()))
        return program.emitError() << "dimension " << symbol.getName() << ": expected " << symbol.getMin() << ".."
                                   << symbol.getMax() << " in steps of " << symbol.getDivisor() << ", found "
                                   << (value ? std::to_string(*value) : std::string("no input that gives it"));
      values.push_back(*value);
    }
    for (auto [name, input] : llvm::zip_equal(interface.getInputs().getAsRange<StringAttr>(), inputs))
      if (shapeOf(tensors.lookup(name.getValue())) != Shape(input.getShape()))
        return program.emitError() << "input '" << name.getValue() << "': expected shape ["
                                   << ArrayRef<int64_t>(shapeOf(tensors.lookup(name.getValue()))) << "], found "
                                   << input.describe();
    return success();
  }

  Shape shapeOf(exec::TensorOp tensor) {
    Shape shape;
    for (AffineExpr dim : tensor.getDims().getResults())
      shape.push_back(evaluate(dim, values));
    return shape;
  }

  /// A blank tensor of a declaration, in logical order.
  FailureOr<Tensor> declared(Operation *user, StringRef name) {
    exec::TensorOp tensor = tensors.lookup(name);
    std::optional<Element> element = tensor ? elementOf(tensor.getType()) : std::nullopt;
    if (!element)
      return user->emitOpError() << "uses the tensor '" << name
                                 << "', which is not declared with an element type of the dialects",
             failure();
    return Tensor(*element, shapeOf(tensor));
  }

  /// The bytes that a buffer of a launch stands for; fails when they leave their place.
  FailureOr<uint8_t *> bytesOf(exec::LaunchOp launch, exec::BufferAttr buffer, int64_t size) {
    std::vector<uint8_t> *bytes = nullptr;
    int64_t offset = 0, index = buffer.getIndex();
    switch (buffer.getPlace()) {
    case exec::Place::Arena:
      bytes = &arena;
      offset = index;
      break;
    case exec::Place::Input:
      bytes = index >= 0 && index < int64_t(inputBytes.size()) ? &inputBytes[size_t(index)] : nullptr;
      break;
    case exec::Place::Output:
      bytes = index >= 0 && index < int64_t(outputBytes.size()) ? &outputBytes[size_t(index)] : nullptr;
      break;
    case exec::Place::Weight:
      break;
    }
    if (!bytes || offset < 0 || offset + size > int64_t(bytes->size()))
      return launch.emitOpError() << "tensor '" << buffer.getTensor() << "' of " << size
                                  << " bytes does not fit its place " << Attribute(buffer),
             failure();
    return bytes->data() + offset;
  }

  LogicalResult runLaunch(exec::LaunchOp launch) {
    if (launch.getBody().empty())
      return launch.emitOpError("has no body to interpret: lower with keep-bodies");
    Block &block = launch.getBody().front();
    SmallVector<Tensor> arguments;
    SmallVector<exec::BufferAttr> stores;
    SymbolicShapes shapes(unsigned(symbols.size()));
    for (auto [i, buffer] : llvm::enumerate(launch.getBuffers().getAsRange<exec::BufferAttr>())) {
      if (llvm::is_contained(launch.getStores(), int64_t(i))) {
        stores.push_back(buffer);
        continue;
      }
      if (buffer.getPlace() == exec::Place::Weight)
        continue;
      if (arguments.size() == block.getNumArguments())
        return launch.emitOpError() << "expected " << block.getNumArguments() << " buffers to read, found more";
      FailureOr<Tensor> tensor = declared(launch, buffer.getTensor());
      if (failed(tensor))
        return failure();
      FailureOr<uint8_t *> bytes = bytesOf(launch, buffer, tensor->getNumBytes());
      if (failed(bytes))
        return failure();
      exec::TensorOp declaration = tensors.lookup(buffer.getTensor());
      shapes.set(block.getArgument(unsigned(arguments.size())), SymbolicShape(declaration.getDims().getResults()));
      arguments.push_back(fromMemory(*tensor, declaration.getOrder(), *bytes));
    }
    if (arguments.size() != block.getNumArguments())
      return launch.emitOpError() << "expected " << block.getNumArguments() << " buffers to read, found "
                                  << arguments.size();
    for (Operation &op : block.without_terminator())
      if (failed(shapes.visit(&op)))
        return failure();
    OpRun root(launch, {}, {}, values, options, shapes);
    FailureOr<SmallVector<Tensor>> results = root.runBlock(block, arguments);
    if (failed(results))
      return failure();
    if (results->size() != stores.size())
      return launch.emitOpError() << "expected " << stores.size() << " results of its body, found " << results->size();
    for (auto [buffer, tensor] : llvm::zip_equal(stores, *results)) {
      FailureOr<Tensor> blank = declared(launch, buffer.getTensor());
      if (failed(blank))
        return failure();
      if (blank->getElement() != tensor.getElement() || blank->getShape() != tensor.getShape())
        return launch.emitOpError() << "expected " << blank->describe() << " for '" << buffer.getTensor() << "', found "
                                    << tensor.describe();
      FailureOr<uint8_t *> bytes = bytesOf(launch, buffer, tensor.getNumBytes());
      if (failed(bytes))
        return failure();
      Tensor stored = permuted(tensor, tensors.lookup(buffer.getTensor()).getOrder());
      std::memcpy(*bytes, stored.bytes(), size_t(stored.getNumBytes()));
    }
    return success();
  }

  /// The tensor whose bytes lie at `bytes` with the dimensions in memory order.
  static Tensor fromMemory(const Tensor &blank, ArrayRef<int64_t> order, const uint8_t *bytes) {
    Shape physical, inverse(order.size());
    for (auto [i, d] : llvm::enumerate(order)) {
      physical.push_back(blank.getDim(d));
      inverse[size_t(d)] = int64_t(i);
    }
    Tensor stored(blank.getElement(), physical);
    std::memcpy(stored.mutableData<uint8_t>(), bytes, size_t(stored.getNumBytes()));
    return permuted(stored, inverse);
  }

  exec::ProgramOp program;
  const InterpretOptions &options;
  exec::InterfaceOp interface;
  llvm::StringMap<exec::TensorOp> tensors;
  SmallVector<qnn::SymbolAttr> symbols;
  SmallVector<int64_t> values;
  std::vector<uint8_t> arena;
  std::vector<std::vector<uint8_t>> inputBytes, outputBytes;
};

} // namespace

FailureOr<SmallVector<Tensor>> reference::interpretProgram(exec::ProgramOp program, ArrayRef<Tensor> inputs,
                                                           const InterpretOptions &options) {
  return ProgramRun(program, options).run(inputs);
}
