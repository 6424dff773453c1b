//===- Kernel.cpp - fused regions and their layouts ------------------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "dialects/Kernel/Device.h"
#include "dialects/Kernel/Gemm.h"
#include "dialects/Kernel/Kernel.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace bitwright;
using namespace bitwright::kernel;

#include "dialects/Kernel/KernelDialect.cpp.inc"
#include "dialects/Kernel/KernelEnums.cpp.inc"
#define GET_ATTRDEF_CLASSES
#include "dialects/Kernel/KernelAttributes.cpp.inc"
#define GET_OP_CLASSES
#include "dialects/Kernel/KernelOps.cpp.inc"
#define GET_OP_CLASSES
#include "dialects/Kernel/KernelDevice.cpp.inc"

void KernelDialect::initialize() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialects/Kernel/KernelAttributes.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialects/Kernel/KernelOps.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialects/Kernel/KernelDevice.cpp.inc"
      >();
  addGemmOperations();
}

YieldOp FusedOp::getYield() { return cast<YieldOp>(getBlock().getTerminator()); }

static SmallVector<int64_t> layoutAt(std::optional<ArrayAttr> layouts, unsigned i, Type type) {
  if (layouts)
    return SmallVector<int64_t>(cast<DenseI64ArrayAttr>((*layouts)[i]).asArrayRef());
  return llvm::to_vector(llvm::seq<int64_t>(0, cast<RankedTensorType>(type).getRank()));
}
SmallVector<int64_t> FusedOp::getOperandLayout(unsigned i) {
  return layoutAt(getOperandLayouts(), i, getInputs()[i].getType());
}
SmallVector<int64_t> FusedOp::getResultLayout(unsigned i) {
  return layoutAt(getResultLayouts(), i, getOutputs()[i].getType());
}

static LogicalResult verifyLayouts(FusedOp op, std::optional<ArrayAttr> layouts, ValueRange values, StringRef what) {
  if (!layouts)
    return success();
  if (layouts->size() != values.size())
    return op.emitOpError() << "expected one layout a " << what << " (" << values.size() << "), found "
                            << layouts->size();
  for (auto [attr, value] : llvm::zip(*layouts, values)) {
    auto layout = dyn_cast<DenseI64ArrayAttr>(attr);
    int64_t rank = cast<RankedTensorType>(value.getType()).getRank();
    SmallVector<int64_t> sorted;
    if (layout)
      sorted.assign(layout.asArrayRef().begin(), layout.asArrayRef().end());
    llvm::sort(sorted);
    if (!layout || !llvm::equal(sorted, llvm::seq<int64_t>(0, rank)))
      return op.emitOpError() << "expected the layout of each " << what << " to be a permutation of its " << rank
                              << " dimensions, found " << attr;
  }
  return success();
}

LogicalResult FusedOp::verify() {
  // That there is a yield and that the arguments fit the operands is part of inferSymbolicShapes.
  if (getYield().getValues().getTypes() != getOutputs().getTypes())
    return emitOpError() << "expected kernel.yield of the results' types";
  if (failed(verifyLayouts(*this, getOperandLayouts(), getInputs(), "operand")))
    return failure();
  return verifyLayouts(*this, getResultLayouts(), getOutputs(), "result");
}

std::string FusedOp::inferSymbolicShapes(ArrayRef<SymbolicShape> operands, SmallVectorImpl<SymbolicShape> &results) {
  // The operation's verifier runs after this one: the boundary may still be wrong.
  auto yield = getBlock().empty() ? YieldOp() : dyn_cast<YieldOp>(getBlock().back());
  if (!yield)
    return "expected the body to end with kernel.yield";
  if (getBlock().getArgumentTypes() != getInputs().getTypes())
    return "expected block arguments of the operands' types";
  if (yield.getNumOperands() != getNumResults())
    return "expected kernel.yield of the results' types";
  SymbolicShapes shapes(4096);
  for (auto [argument, shape] : llvm::zip(getBlock().getArguments(), operands))
    shapes.set(argument, shape);
  for (Operation &op : getBlock().without_terminator()) {
    SmallVector<SymbolicShape> inputs, outputs;
    for (Value operand : op.getOperands()) {
      if (!shapes.contains(operand))
        return "expected the body to use only its arguments and its own values";
      inputs.push_back(shapes.get(operand));
    }
    // The body is verified after the operation that holds it: its attributes cannot be trusted yet.
    if (failed(op.getName().verifyInvariants(&op)))
      return "expected a body that verifies";
    auto shaped = dyn_cast<SymbolicShapeOpInterface>(op);
    if (!shaped)
      return ("'" + op.getName().getStringRef() + "' has no symbolic shape").str();
    if (std::string error = shaped.inferSymbolicShapes(inputs, outputs); !error.empty())
      return error;
    for (auto [value, shape] : llvm::zip(op.getResults(), outputs))
      shapes.set(value, shape);
  }
  for (Value value : yield.getValues()) {
    if (!shapes.contains(value))
      return "expected the body to use only its arguments and its own values";
    results.push_back(shapes.get(value));
  }
  return "";
}

// kernel.fused (%a = %x, %b = %w) attributes : (types) -> types { body }
ParseResult FusedOp::parse(OpAsmParser &parser, OperationState &result) {
  SmallVector<OpAsmParser::Argument> arguments;
  SmallVector<OpAsmParser::UnresolvedOperand> operands;
  auto parseOne = [&]() -> ParseResult {
    return failure(parser.parseArgument(arguments.emplace_back()) || parser.parseEqual() ||
                   parser.parseOperand(operands.emplace_back()));
  };
  FunctionType type;
  if (parser.parseCommaSeparatedList(OpAsmParser::Delimiter::Paren, parseOne) ||
      parser.parseOptionalAttrDict(result.attributes) || parser.parseColonType(type))
    return failure();
  if (type.getNumInputs() != operands.size())
    return parser.emitError(parser.getNameLoc())
           << "expected " << operands.size() << " operand types, found " << type.getNumInputs();
  for (auto [argument, input] : llvm::zip(arguments, type.getInputs()))
    argument.type = input;
  result.addTypes(type.getResults());
  return failure(parser.resolveOperands(operands, type.getInputs(), parser.getNameLoc(), result.operands) ||
                 parser.parseRegion(*result.addRegion(), arguments));
}

void FusedOp::print(OpAsmPrinter &printer) {
  printer << " (";
  llvm::interleaveComma(llvm::zip(getBlock().getArguments(), getInputs()), printer,
                        [&](auto pair) { printer << std::get<0>(pair) << " = " << std::get<1>(pair); });
  printer << ")";
  printer.printOptionalAttrDict((*this)->getAttrs());
  printer << " : ";
  printer.printFunctionalType(getInputs().getTypes(), getOutputs().getTypes());
  printer << " ";
  printer.printRegion(getBody(), /*printEntryBlockArgs=*/false);
}
