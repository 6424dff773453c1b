//===- Importer.h - state of one import, and one node's view of it -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_LIB_IMPORTONNX_IMPORTER_H
#define BITWRIGHT_LIB_IMPORTONNX_IMPORTER_H

#include "dialects/Qnn/Qnn.h"
#include "lib/ImportOnnx/ImportOnnx.h"
#include "lib/ImportOnnx/KnownTensor.h"
#include "lib/ImportOnnx/OnnxModel.h"
#include "mlir/IR/Builders.h"
#include "llvm/ADT/StringSet.h"
#include <deque>

namespace onnx {
class AttributeProto;
class GraphProto;
class NodeProto;
} // namespace onnx

namespace bitwright::onnximport {

class NodeImporter;

/// An attribute combination that the compiler refuses: what, and why. Listed in docs/Operators.md from the operator
/// table.
struct Refusal {
  const char *what;
  const char *why;
};

/// One row of the operator table.
struct Operator {
  const char *name;
  /// Opsets in which this form of the operator is understood (the model's opset lies inside).
  int64_t firstOpset, lastOpset;
  unsigned minInputs, maxInputs, maxOutputs;
  void (*import)(NodeImporter &);
  std::vector<const Refusal *> refusals;
  /// Only evaluated as shape arithmetic; refused on data.
  bool shapeOnly = false;
};
const std::vector<Operator> &getOperators();
/// Refusals that any operator may give.
const std::vector<const Refusal *> &getGeneralRefusals();
/// The row for an operator in an opset; null if there is none. `known` tells whether some opset has it.
const Operator *findOperator(llvm::StringRef name, int64_t opset, bool &known);

/// A tensor of the model: at least one of value, constant and known is set, unless it is poisoned by an earlier error.
struct Tensor {
  std::string name;
  mlir::Type elementType;
  SymbolicShape shape;
  mlir::Value value;
  std::optional<WeightData> constant;
  std::optional<KnownTensor> known;
  bool poisoned = false;
};

class Importer {
public:
  Importer(OnnxModel &model, mlir::MLIRContext *context, llvm::StringRef path, const ImportOptions &options);
  mlir::FailureOr<mlir::OwningOpRef<mlir::ModuleOp>> run();

  llvm::ArrayRef<DimSymbol> getSymbols() const { return symbols; }
  /// False (and where, in `why`) if a float constant holds NaN.
  static bool checkFinite(const WeightData &data, std::string &why);
  llvm::Expected<WeightData> readTensor(onnx::TensorProto &tensor) { return model.readTensor(tensor, context); }

private:
  friend class NodeImporter;

  void error(const llvm::Twine &text);
  bool checkOperators(const onnx::GraphProto &graph);
  bool readInitializers(onnx::GraphProto &graph);
  bool readInputs(onnx::GraphProto &graph);
  bool bindDimensions();
  void importNode(onnx::NodeProto &node);
  bool finish(onnx::GraphProto &graph);
  /// The operation behind a tensor, made on first use; null (with the reason in `why`) if it depends on dimensions
  /// only.
  mlir::Value materialize(Tensor &tensor, std::string &why);
  std::string uniqueName(llvm::StringRef base);
  Tensor *define(llvm::StringRef name, std::string &why);

  OnnxModel &model;
  mlir::MLIRContext *context;
  std::string path;
  const ImportOptions &options;
  mlir::OpBuilder builder;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  mlir::func::FuncOp function;
  SymbolicShapes shapes;
  llvm::SmallVector<DimSymbol> symbols;
  std::deque<Tensor> storage;
  llvm::StringMap<Tensor *> tensors;
  llvm::StringMap<std::string> producers;
  llvm::StringSet<> names;
  struct Input {
    Tensor *tensor;
    llvm::SmallVector<std::string> dims; // "" or a number for static ones
  };
  std::vector<Input> inputs;
  mlir::Value placeholder;
  /// Bytes of constants and known tensors that nodes computed: a small file must not ask for all memory.
  int64_t computedBytes = 0;
  unsigned numErrors = 0;
};

/// What an operator's import function sees of its node. After the first error or refusal every further call is
/// harmless: values are a placeholder of rank 0, and the node's outputs are marked as lost.
class NodeImporter {
public:
  NodeImporter(Importer &importer, onnx::NodeProto &proto, const Operator &op, std::string name);

  mlir::MLIRContext *getContext() const { return importer.context; }
  llvm::StringRef getType() const;
  int64_t getOpset() const { return importer.model.getOpset(); }
  llvm::ArrayRef<DimSymbol> getSymbols() const { return importer.symbols; }
  bool failed() const { return hasFailed; }

  // Errors. The model is wrong / the combination is refused (a row of the operator's or the general refusals).
  void error(const llvm::Twine &text);
  void refuse(const Refusal &refusal, const llvm::Twine &detail = "");

  // Inputs.
  unsigned getNumInputs() const { return inputs.size(); }
  unsigned getNumOutputs() const;
  bool has(unsigned input) const { return input < inputs.size() && inputs[input]; }
  bool wantsOutput(unsigned output) const;
  /// Precondition for the rest: has(input).
  const Tensor &get(unsigned input) const { return *inputs[input]; }
  mlir::Type elementType(unsigned input) const { return inputs[input]->elementType; }
  const SymbolicShape &shape(unsigned input) const { return inputs[input]->shape; }
  int64_t rank(unsigned input) const { return shape(input).size(); }
  bool isFloat(unsigned input) const { return mlir::isa<mlir::FloatType>(elementType(input)); }
  const KnownTensor *known(unsigned input) const { return inputs[input]->known ? &*inputs[input]->known : nullptr; }
  mlir::Value value(unsigned input);
  /// Integers of an operand that must be known at import; refused (and empty) if it is not.
  llvm::SmallVector<int64_t> constantInts(unsigned input, llvm::StringRef what);
  SymbolicShape expressions(unsigned input, llvm::StringRef what);
  /// The single number of a constant operand, or none.
  std::optional<double> constantNumber(unsigned input) const;

  // Attributes; an attribute of another type is an error.
  bool hasAttribute(llvm::StringRef name) const { return findAttribute(name); }
  int64_t getInt(llvm::StringRef name, int64_t otherwise);
  float getFloat(llvm::StringRef name, float otherwise);
  std::string getString(llvm::StringRef name, llvm::StringRef otherwise);
  /// Each number at most 2^31 in absolute value, unless `unlimited`.
  std::optional<llvm::SmallVector<int64_t>> getInts(llvm::StringRef name, bool unlimited = false);
  const onnx::AttributeProto *findAttribute(llvm::StringRef name) const;
  onnx::AttributeProto *findAttribute(llvm::StringRef name);
  /// A number from -rank .. rank-1 brought into 0 .. rank-1.
  int64_t normalizeAxis(int64_t axis, int64_t rank);
  llvm::SmallVector<int64_t> normalizeAxes(llvm::ArrayRef<int64_t> axes, int64_t rank);

  // Building.
  /// Creates an operation with one result of `elementType`, names it, derives its shape and verifies it.
  template <typename OpTy, typename... Args> mlir::Value create(mlir::Type elementType, Args &&...args) {
    if (hasFailed)
      return getPlaceholder();
    auto op = OpTy::create(importer.builder, getLocation(), mlir::RankedTensorType::get({}, elementType),
                           std::forward<Args>(args)...);
    return finishOp(op);
  }
  const SymbolicShape &shape(mlir::Value value) const { return importer.shapes.get(value); }
  mlir::Value constant(WeightData data);
  mlir::Value constantFloat(mlir::Type elementType, double value);
  mlir::Value reshape(mlir::Value value, llvm::ArrayRef<mlir::AffineExpr> shape);
  mlir::Value reshape(mlir::Value value, llvm::ArrayRef<int64_t> shape);
  mlir::Value transpose(mlir::Value value, llvm::ArrayRef<int64_t> perm);
  mlir::Value cast(mlir::Value value, mlir::Type elementType);
  mlir::AffineMap shapeMap(llvm::ArrayRef<mlir::AffineExpr> shape) const;
  mlir::AffineExpr expr(int64_t value) const { return mlir::getAffineConstantExpr(value, importer.context); }

  /// Counts bytes that the node computes at import; an error once the model computes far more than it holds.
  void charge(int64_t bytes);

  // Outputs.
  void setOutput(unsigned output, mlir::Value value);
  void setOutput(unsigned output, KnownTensor known);
  void setOutput(unsigned output, WeightData constant);
  /// The output is the input under another name.
  void forward(unsigned output, unsigned input);

  Importer &importer;
  onnx::NodeProto &proto;
  const Operator &op;

private:
  friend class Importer;
  mlir::Location getLocation() const;
  mlir::Value finishOp(mlir::Operation *op);
  mlir::Value getPlaceholder();
  Tensor *outputTensor(unsigned output);

  std::string name;
  llvm::SmallVector<Tensor *> inputs, outputs;
  bool hasFailed = false;
};

/// Evaluates the node on known tensors. True if it set the outputs. Otherwise `why` may say what stood in the way.
bool evaluateKnown(NodeImporter &node, std::string &why);

extern const Refusal kDependsOnDimensions, kNotConstant, kUndecided;

} // namespace bitwright::onnximport

#endif
