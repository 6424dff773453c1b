//===- SymbolicShapes.cpp - shapes as affine expressions of named dims -----===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "dialects/Qnn/Qnn.h"

using namespace mlir;
using namespace bitwright;

std::optional<int64_t> bitwright::constantOf(AffineExpr expr) {
  if (auto constant = dyn_cast<AffineConstantExpr>(expr))
    return constant.getValue();
  return std::nullopt;
}

static std::string toText(AffineExpr expr) {
  std::string text;
  llvm::raw_string_ostream(text) << expr;
  return text;
}

static bool provablyEqual(AffineExpr a, AffineExpr b) {
  if (a == b)
    return true;
  AffineExpr difference = simplifyAffineExpr(a - b, 0, 4096);
  return constantOf(difference) == 0;
}

std::string bitwright::broadcastShapes(ArrayRef<SymbolicShape> shapes, SymbolicShape &result) {
  size_t rank = 0;
  for (const SymbolicShape &shape : shapes)
    rank = std::max(rank, shape.size());
  result.assign(rank, AffineExpr());
  for (const SymbolicShape &shape : shapes)
    for (size_t i = 0; i < shape.size(); ++i) {
      AffineExpr &dim = result[rank - shape.size() + i];
      if (!dim || constantOf(dim) == 1)
        dim = shape[i];
      else if (constantOf(shape[i]) == 1 || provablyEqual(dim, shape[i]))
        continue;
      else
        return "operands do not broadcast: dimension " + std::to_string(rank - shape.size() + i) + " is " +
               toText(dim) + " and " + toText(shape[i]) +
               (constantOf(dim) && constantOf(shape[i])
                    ? ""
                    : ", which are not provably equal: fix one of the symbols with --dim");
    }
  return "";
}

AffineExpr bitwright::productOf(ArrayRef<AffineExpr> dims, MLIRContext *context) {
  AffineExpr product = getAffineConstantExpr(1, context);
  for (AffineExpr dim : dims)
    product = simplifyAffineExpr(product * dim, 0, 4096);
  return product;
}

RankedTensorType bitwright::typeOf(ArrayRef<AffineExpr> shape, Type elementType) {
  SmallVector<int64_t> dims;
  for (AffineExpr expr : shape)
    dims.push_back(constantOf(expr).value_or(ShapedType::kDynamic));
  return RankedTensorType::get(dims, elementType);
}

SymbolicShape bitwright::staticShape(ShapedType type) {
  SymbolicShape shape;
  for (int64_t size : type.getShape())
    shape.push_back(getAffineConstantExpr(size, type.getContext()));
  return shape;
}

AffineMapAttr bitwright::shapeAttr(ArrayRef<AffineExpr> shape, unsigned numSymbols, MLIRContext *context) {
  return AffineMapAttr::get(AffineMap::get(0, numSymbols, shape, context));
}

SmallVector<DimSymbol> bitwright::getSymbols(Operation *func) {
  SmallVector<DimSymbol> symbols;
  if (auto attr = func->getAttrOfType<ArrayAttr>("qnn.symbols"))
    for (auto symbol : attr.getAsRange<qnn::SymbolAttr>())
      symbols.push_back({symbol.getName().str(), symbol.getMin(), symbol.getMax(), symbol.getDivisor()});
  return symbols;
}

void bitwright::setSymbols(Operation *func, ArrayRef<DimSymbol> symbols) {
  SmallVector<Attribute> attrs;
  for (const DimSymbol &symbol : symbols)
    attrs.push_back(qnn::SymbolAttr::get(func->getContext(), symbol.name, symbol.min, symbol.max, symbol.divisor));
  func->setAttr("qnn.symbols", ArrayAttr::get(func->getContext(), attrs));
}

int64_t bitwright::evaluate(AffineExpr expr, ArrayRef<int64_t> values) {
  SmallVector<AffineExpr> constants;
  for (int64_t value : values)
    constants.push_back(getAffineConstantExpr(value, expr.getContext()));
  return *constantOf(simplifyAffineExpr(expr.replaceSymbols(constants), 0, 0));
}

std::pair<int64_t, int64_t> bitwright::rangeOf(AffineExpr expr, ArrayRef<DimSymbol> symbols) {
  switch (expr.getKind()) {
  case AffineExprKind::Constant: {
    int64_t value = cast<AffineConstantExpr>(expr).getValue();
    return {value, value};
  }
  case AffineExprKind::SymbolId: {
    const DimSymbol &symbol = symbols[cast<AffineSymbolExpr>(expr).getPosition()];
    return {symbol.min, symbol.max};
  }
  case AffineExprKind::DimId:
    llvm_unreachable("shapes have no dims, only symbols");
  default:
    break;
  }
  auto binary = cast<AffineBinaryOpExpr>(expr);
  auto [a, b] = rangeOf(binary.getLHS(), symbols);
  auto [c, d] = rangeOf(binary.getRHS(), symbols);
  switch (expr.getKind()) {
  case AffineExprKind::Add:
    return {a + c, b + d};
  case AffineExprKind::Mul: {
    int64_t products[] = {a * c, a * d, b * c, b * d};
    return {*std::min_element(products, products + 4), *std::max_element(products, products + 4)};
  }
  case AffineExprKind::FloorDiv:
    return {llvm::divideFloorSigned(a, c), llvm::divideFloorSigned(b, c)};
  case AffineExprKind::CeilDiv:
    return {llvm::divideCeilSigned(a, c), llvm::divideCeilSigned(b, c)};
  default:
    return {0, c - 1};
  }
}

LogicalResult bitwright::verifySymbolicShapes(Operation *op) {
  // Each dynamic dimension becomes a symbol of its own, out of the range of the function's symbols; `shape` attributes
  // keep theirs. Only constants that follow are then compared.
  unsigned next = 2048;
  SmallVector<SymbolicShape> operands, results;
  for (Value operand : op->getOperands()) {
    auto type = dyn_cast<RankedTensorType>(operand.getType());
    if (!type)
      return success();
    SymbolicShape shape;
    for (int64_t size : type.getShape())
      shape.push_back(ShapedType::isDynamic(size) ? getAffineSymbolExpr(next++, op->getContext())
                                                  : getAffineConstantExpr(size, op->getContext()));
    operands.push_back(shape);
  }
  std::string error = cast<SymbolicShapeOpInterface>(op).inferSymbolicShapes(operands, results);
  // Two `?` that broadcast may well be equal: only the analysis over the whole function can tell.
  if (!error.empty() && error.find("not provably equal") != std::string::npos)
    return success();
  if (!error.empty())
    return op->emitOpError() << error;
  for (auto [index, result] : llvm::enumerate(op->getResults())) {
    auto type = cast<RankedTensorType>(result.getType());
    if (type.getRank() != int64_t(results[index].size()))
      return op->emitOpError() << "expected result #" << index << " of rank " << results[index].size() << ", found "
                               << type;
    for (int64_t i = 0; i < type.getRank(); ++i) {
      auto expected = constantOf(results[index][i]);
      if (expected && !type.isDynamicDim(i) && *expected != type.getDimSize(i))
        return op->emitOpError() << "expected dimension " << i << " of result #" << index << " to be " << *expected
                                 << ", found " << type.getDimSize(i);
    }
  }
  return success();
}

LogicalResult SymbolicShapes::visit(Operation *op, bool refineTypes) {
  SmallVector<SymbolicShape> operands, results;
  for (Value operand : op->getOperands()) {
    auto it = shapes.find(operand);
    if (it == shapes.end())
      return op->emitOpError() << "has an operand without a symbolic shape";
    operands.push_back(it->second);
  }
  auto shaped = dyn_cast<SymbolicShapeOpInterface>(op);
  if (!shaped) {
    for (Value result : op->getResults()) {
      auto type = dyn_cast<RankedTensorType>(result.getType());
      if (!type || !type.hasStaticShape())
        return op->emitOpError() << "has a dynamic result but does not implement SymbolicShapeOpInterface";
      shapes[result] = staticShape(type);
    }
    return success();
  }
  std::string error = shaped.inferSymbolicShapes(operands, results);
  if (!error.empty())
    return op->emitOpError() << error;
  for (auto [result, shape] : llvm::zip_equal(op->getResults(), results)) {
    auto type = cast<RankedTensorType>(result.getType());
    for (AffineExpr &dim : shape)
      dim = simplifyAffineExpr(dim, 0, numSymbols);
    if (refineTypes)
      result.setType(typeOf(shape, type.getElementType()));
    shapes[result] = shape;
  }
  return success();
}

static LogicalResult visitRegion(Operation *op, SymbolicShapes &shapes) {
  for (Region &region : op->getRegions())
    for (Block &block : region)
      for (auto [argument, operand] : llvm::zip(block.getArguments(), op->getOperands()))
        shapes.set(argument, shapes.get(operand));
  WalkResult result = WalkResult::advance();
  for (Region &region : op->getRegions())
    for (Block &block : region)
      for (Operation &inner : block) {
        if (inner.hasTrait<OpTrait::IsTerminator>())
          continue;
        if (failed(shapes.visit(&inner)) || failed(visitRegion(&inner, shapes)))
          return failure();
      }
  return success(!result.wasInterrupted());
}

FailureOr<SymbolicShapes> SymbolicShapes::compute(func::FuncOp func) {
  SymbolicShapes shapes(getSymbols(func).size());
  if (func.isExternal())
    return func.emitError("has no body"), failure();
  for (BlockArgument argument : func.getArguments()) {
    auto type = dyn_cast<RankedTensorType>(argument.getType());
    if (!type)
      return func.emitError() << "argument " << argument.getArgNumber() << ": expected a ranked tensor, found "
                              << argument.getType(),
             failure();
    auto dims = func.getArgAttrOfType<AffineMapAttr>(argument.getArgNumber(), "qnn.dims");
    if (!dims && !type.hasStaticShape())
      return func.emitError() << "argument " << argument.getArgNumber()
                              << " has dynamic dimensions: expected the attribute qnn.dims",
             failure();
    if (dims && int64_t(dims.getValue().getNumResults()) != type.getRank())
      return func.emitError() << "argument " << argument.getArgNumber() << ": expected " << type.getRank()
                              << " results in qnn.dims, found " << dims.getValue().getNumResults(),
             failure();
    shapes.set(argument, dims ? SymbolicShape(dims.getValue().getResults()) : staticShape(type));
  }
  for (Block &block : func.getBody())
    for (Operation &op : block) {
      if (op.hasTrait<OpTrait::IsTerminator>())
        continue;
      if (failed(shapes.visit(&op)) || failed(visitRegion(&op, shapes)))
        return failure();
    }
  return shapes;
}
