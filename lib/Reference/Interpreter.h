//===- Interpreter.h - the slow, obvious meaning of every op ---------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// The oracle of every test: one function an operation, looked up by the operation's name. Integers follow INTEGER.md
// bit for bit, floats its rules F1-F5, so that compiled x86 code must give the same bits. Adding an operation is one
// function and one line in the `register...` function of its file.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_LIB_REFERENCE_INTERPRETER_H
#define BITWRIGHT_LIB_REFERENCE_INTERPRETER_H

#include "dialects/Qnn/SymbolicShapes.h"
#include "lib/Reference/Tensor.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Operation.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/StringMap.h"

#include <functional>

namespace bitwright::exec {
class ProgramOp;
} // namespace bitwright::exec

namespace bitwright::reference {

struct InterpretOptions {
  /// Called after each operation, once a result, in program order (nested regions included).
  std::function<void(mlir::Operation *, unsigned resultNo, const Tensor &)> observer;
  /// Threads for products; the result does not depend on it.
  unsigned threads = 1;
};

class OpRun;
using OpFunction = std::function<mlir::LogicalResult(OpRun &)>;

/// Operation name -> function. One table a process, filled on first use.
class OpTable {
public:
  static OpTable &get();
  void add(llvm::StringRef name, OpFunction function) { table[name] = std::move(function); }
  template <typename Op> void add(mlir::LogicalResult (*function)(Op, OpRun &));
  const OpFunction *find(llvm::StringRef name) const;
  std::vector<std::string> names() const;

private:
  OpTable();
  llvm::StringMap<OpFunction> table;
};

/// One execution of one operation: its operands, and where its results go.
class OpRun {
public:
  OpRun(mlir::Operation *op, llvm::ArrayRef<Tensor> operands, llvm::ArrayRef<Shape> resultShapes,
        llvm::ArrayRef<int64_t> symbols, const InterpretOptions &options, const SymbolicShapes &shapes)
      : op(op), operands(operands), resultShapes(resultShapes), symbols(symbols), options(options), shapes(shapes) {
    results.resize(op->getNumResults());
  }

  mlir::Operation *getOp() const { return op; }
  /// Operand i by its position in the operation.
  const Tensor &operand(unsigned i) const { return operands[i]; }
  /// The tensor of an operand value (as ODS accessors give it); an empty tensor for an absent optional operand.
  Tensor get(mlir::Value value) const;
  unsigned getNumOperands() const { return unsigned(operands.size()); }

  /// The shape of a result from the symbolic shape analysis, evaluated for this call.
  llvm::ArrayRef<int64_t> shapeOf(unsigned i = 0) const { return resultShapes[i]; }
  /// The declared element type of a result.
  Element elementOfResult(unsigned i = 0) const;
  void set(Tensor tensor, unsigned i = 0) { results[i] = std::move(tensor); }
  /// Values of a map over the function's symbols (shapes, starts, counts).
  Shape evaluate(mlir::AffineMap map) const;

  unsigned threads() const { return options.threads; }
  /// An error at the operation.
  mlir::InFlightDiagnostic error() const { return op->emitOpError(); }
  /// Runs the operations of a block whose arguments are the given tensors; gives the terminator's operands.
  mlir::FailureOr<llvm::SmallVector<Tensor>> runBlock(mlir::Block &block, llvm::ArrayRef<Tensor> arguments);

  llvm::MutableArrayRef<Tensor> getResults() { return results; }

private:
  mlir::Operation *op;
  llvm::ArrayRef<Tensor> operands;
  llvm::ArrayRef<Shape> resultShapes;
  llvm::ArrayRef<int64_t> symbols;
  const InterpretOptions &options;
  const SymbolicShapes &shapes;
  llvm::SmallVector<Tensor, 1> results;
};

template <typename Op> void OpTable::add(mlir::LogicalResult (*function)(Op, OpRun &)) {
  add(Op::getOperationName(), [function](OpRun &run) { return function(llvm::cast<Op>(run.getOp()), run); });
}

/// Runs a function on input tensors (one an argument: same element type, a shape that its `qnn.dims` and symbol ranges
/// allow). Errors are diagnostics at the function or the operation.
mlir::FailureOr<llvm::SmallVector<Tensor>> interpret(mlir::func::FuncOp func, llvm::ArrayRef<Tensor> inputs,
                                                     const InterpretOptions &options = {});

/// Runs an exec program whose launches kept their bodies: inputs and outputs in the order of its interface. Values
/// travel through the arena as the plan lays them out.
mlir::FailureOr<llvm::SmallVector<Tensor>> interpretProgram(exec::ProgramOp program, llvm::ArrayRef<Tensor> inputs,
                                                            const InterpretOptions &options = {});

/// The values of the function's symbols for input shapes; diagnoses what does not fit.
mlir::FailureOr<llvm::SmallVector<int64_t>> bindSymbols(mlir::func::FuncOp func, llvm::ArrayRef<Shape> inputShapes);

/// Runs body(begin, end) over a partition of [0, n); `threads` parts at most.
void parallelFor(int64_t n, unsigned threads, llvm::function_ref<void(int64_t, int64_t)> body);

// One a file of operations.
void registerElementwise(OpTable &table);
void registerProducts(OpTable &table);
void registerReductions(OpTable &table);
void registerMovement(OpTable &table);
void registerResize(OpTable &table);
void registerQuantization(OpTable &table);
void registerDyadic(OpTable &table);

} // namespace bitwright::reference

#endif
