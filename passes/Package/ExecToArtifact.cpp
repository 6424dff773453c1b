//===- ExecToArtifact.cpp - exec IR and the content of a .bwm file ---------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "passes/Package/ExecToArtifact.h"
#include "lib/Weights/WeightStore.h"
#include "passes/Package/GpuToArtifact.h"

using namespace mlir;
using namespace bitwright;

artifact::DimExpr bitwright::toDimExpr(AffineExpr expr) {
  if (auto constant = dyn_cast<AffineConstantExpr>(expr))
    return constant.getValue();
  if (auto symbol = dyn_cast<AffineSymbolExpr>(expr))
    return artifact::DimExpr::symbol(symbol.getPosition());
  auto binary = cast<AffineBinaryOpExpr>(expr);
  artifact::DimExpr lhs = toDimExpr(binary.getLHS()), rhs = toDimExpr(binary.getRHS());
  switch (expr.getKind()) {
  case AffineExprKind::Add:
    return lhs + rhs;
  case AffineExprKind::Mul:
    return lhs * rhs;
  case AffineExprKind::FloorDiv:
    return floorDiv(lhs, rhs);
  case AffineExprKind::CeilDiv:
    return ceilDiv(lhs, rhs);
  default:
    return mod(lhs, rhs);
  }
}

AffineExpr bitwright::fromDimExpr(const artifact::DimExpr &expr, MLIRContext *context) {
  SmallVector<AffineExpr> stack;
  for (const artifact::DimExpr::Step &step : expr.getSteps()) {
    if (step.op == artifact::DimOp::Constant) {
      stack.push_back(getAffineConstantExpr(step.operand, context));
      continue;
    }
    if (step.op == artifact::DimOp::Symbol) {
      stack.push_back(getAffineSymbolExpr(step.operand, context));
      continue;
    }
    AffineExpr rhs = stack.pop_back_val(), lhs = stack.pop_back_val();
    switch (step.op) {
    case artifact::DimOp::Add:
      stack.push_back(lhs + rhs);
      break;
    case artifact::DimOp::Mul:
      stack.push_back(lhs * rhs);
      break;
    case artifact::DimOp::FloorDiv:
      stack.push_back(lhs.floorDiv(rhs));
      break;
    case artifact::DimOp::CeilDiv:
      stack.push_back(lhs.ceilDiv(rhs));
      break;
    case artifact::DimOp::Mod:
      stack.push_back(lhs % rhs);
      break;
    default:
      return {}; // max and min have no affine form; the compiler never writes them
    }
  }
  return stack.front();
}

static const std::pair<artifact::ElementType, StringRef> elementTypes[] = {
    {artifact::ElementType::F32, "f32"}, {artifact::ElementType::F16, "f16"}, {artifact::ElementType::BF16, "bf16"},
    {artifact::ElementType::S8, "i8"},   {artifact::ElementType::U8, "ui8"},  {artifact::ElementType::S16, "i16"},
    {artifact::ElementType::S32, "i32"}, {artifact::ElementType::S64, "i64"}, {artifact::ElementType::Bool, "i1"},
    {artifact::ElementType::S4, "i4"},   {artifact::ElementType::U4, "ui4"}};

artifact::ElementType bitwright::toElementType(Type type) {
  std::string text;
  llvm::raw_string_ostream(text) << type;
  for (auto &[element, name] : elementTypes)
    if (name == text)
      return element;
  llvm::report_fatal_error(Twine("element type ") + text + " has no place in the file format");
}

Type bitwright::fromElementType(artifact::ElementType type, MLIRContext *context) {
  Builder builder(context);
  switch (type) {
  case artifact::ElementType::F32:
    return builder.getF32Type();
  case artifact::ElementType::F16:
    return builder.getF16Type();
  case artifact::ElementType::BF16:
    return builder.getBF16Type();
  case artifact::ElementType::F64:
    return builder.getF64Type();
  case artifact::ElementType::Bool:
    return builder.getI1Type();
  case artifact::ElementType::U8:
    return builder.getIntegerType(8, false);
  case artifact::ElementType::U4:
    return builder.getIntegerType(4, false);
  default:
    return builder.getIntegerType(artifact::bitWidth(type));
  }
}

static std::vector<artifact::DimExpr> toDimExprs(AffineMap map) {
  std::vector<artifact::DimExpr> result;
  for (AffineExpr expr : map.getResults())
    result.push_back(toDimExpr(expr));
  return result;
}

/// Codes in nibbles: as few bits of the file as they span. Symmetric codes of s4 reach -7 or 7 in every slice and stay
/// as they are, so that the file has the bits that the format says.
static LogicalResult packWeight(exec::WeightOp op, artifact::Weight &weight) {
  std::optional<ArrayRef<int64_t>> sides = op.getNibblePanels();
  if (!sides)
    return success();
  if (sides->size() != 3)
    return op.emitOpError() << "expected groups, rows and columns in nibble_panels, found " << sides->size()
                            << " numbers";
  artifact::PackedCodes codes{3, 0, (*sides)[0], (*sides)[1], (*sides)[2]};
  uint64_t panelBytes, fileBytes;
  std::string error;
  if (!artifact::packedSizes(codes, panelBytes, fileBytes, error))
    return op.emitOpError() << "nibble_panels: " << error;
  if (panelBytes != weight.bytes.size())
    return op.emitOpError() << "nibble_panels of " << codes.groups << " x " << codes.rows << " x " << codes.columns
                            << " take " << panelBytes << " bytes, '" << op.getSource() << "' has "
                            << weight.bytes.size();
  weight.packed = artifact::narrowestPacking(codes.groups, codes.rows, codes.columns, weight.bytes.data(), panelBytes);
  return success();
}

FailureOr<artifact::Model> bitwright::toArtifact(exec::ProgramOp program) {
  artifact::Model model;
  WeightStore &store = getWeightStore(program.getContext());
  for (auto symbol : program.getSymbols().getAsRange<qnn::SymbolAttr>())
    model.symbols.push_back({symbol.getName().str(), symbol.getMin(), symbol.getMax(), symbol.getDivisor()});
  model.arenaBytes = program.getArena();
  model.entries.emplace_back();
  artifact::EntryPoint &entry = model.entries.back();
  llvm::StringMap<uint32_t> tensors, kernels;

  auto bytesOf = [&](Operation *op, StringRef source) -> FailureOr<artifact::Blob> {
    auto data = store.lookup(source);
    if (!data)
      return op->emitOpError() << "refers to '" << source << "', which is not in the weight store", failure();
    return artifact::Blob::share(data->bytes.data(), data->bytes.size(), data->owner);
  };
  auto tensorNumber = [&](Operation *op, StringRef name) -> FailureOr<uint32_t> {
    auto it = tensors.find(name);
    if (it == tensors.end())
      return op->emitOpError() << "refers to the tensor '" << name << "', which the program does not have", failure();
    return it->second;
  };

  for (Operation &op : program.getBody().front()) {
    if (auto tensor = dyn_cast<exec::TensorOp>(op)) {
      artifact::Tensor t;
      t.name = tensor.getName().str();
      t.type = toElementType(tensor.getType());
      t.dims = toDimExprs(tensor.getDims());
      t.order.assign(tensor.getOrder().begin(), tensor.getOrder().end());
      if (auto scales = tensor.getScales()) {
        t.scheme.quantized = true;
        t.scheme.axis = tensor.getAxis();
        t.scheme.scales.assign(scales->begin(), scales->end());
        if (auto zeroPoints = tensor.getZeroPoints())
          t.scheme.zeroPoints.assign(zeroPoints->begin(), zeroPoints->end());
      }
      if (!tensors.try_emplace(tensor.getName(), model.tensors.size()).second)
        return op.emitOpError() << "names a tensor that the program already has", failure();
      model.tensors.push_back(std::move(t));
    } else if (auto weight = dyn_cast<exec::WeightOp>(op)) {
      auto bytes = bytesOf(&op, weight.getSource());
      if (failed(bytes))
        return failure();
      artifact::Weight w{weight.getName().str(), weight.getLayout().str(), *bytes, {}};
      if (failed(packWeight(weight, w)))
        return failure();
      model.weights.push_back(std::move(w));
    } else if (auto code = dyn_cast<exec::CodeOp>(op)) {
      auto bytes = bytesOf(&op, code.getSource());
      artifact::CodeSegment segment;
      if (!artifact::parseIsa(code.getIsa().str(), segment.isa))
        return op.emitOpError() << "expected an instruction set level (avx2, avx512vnni, amx), found '" << code.getIsa()
                                << "'",
               failure();
      if (failed(bytes))
        return failure();
      segment.bytes = *bytes;
      model.code.push_back(std::move(segment));
    } else if (auto kernel = dyn_cast<exec::KernelOp>(op)) {
      artifact::Kernel k;
      k.name = kernel.getName().str();
      for (NamedAttribute entry : kernel.getEntries()) {
        artifact::KernelVariant variant;
        if (!artifact::parseIsa(entry.getName().str(), variant.isa) || !isa<IntegerAttr>(entry.getValue()))
          return op.emitOpError() << "expected an instruction set level and an offset, found " << entry.getName()
                                  << " = " << entry.getValue(),
                 failure();
        variant.offset = cast<IntegerAttr>(entry.getValue()).getInt();
        k.variants.push_back(variant);
      }
      llvm::sort(k.variants, [](const auto &a, const auto &b) { return a.isa < b.isa; });
      kernels[kernel.getName()] = model.kernels.size();
      model.kernels.push_back(std::move(k));
    } else if (auto packing = dyn_cast<exec::PackingOp>(op)) {
      auto converted = toPacking(packing);
      if (failed(converted))
        return failure();
      model.packings.push_back(std::move(*converted));
    } else if (auto code = dyn_cast<exec::GpuCodeOp>(op)) {
      auto converted = toGpuCode(code);
      auto bytes = bytesOf(&op, code.getSource());
      if (failed(converted) || failed(bytes))
        return failure();
      converted->bytes = *bytes;
      model.gpuCode.push_back(std::move(*converted));
    } else if (auto kernel = dyn_cast<exec::GpuKernelOp>(op)) {
      auto converted = toGpuKernel(kernel);
      if (failed(converted))
        return failure();
      model.gpuKernels.push_back(std::move(*converted));
    } else if (auto interface = dyn_cast<exec::InterfaceOp>(op)) {
      for (auto [names, list] :
           {std::pair(interface.getInputs(), &entry.inputs), std::pair(interface.getOutputs(), &entry.outputs)})
        for (auto name : names.getAsRange<StringAttr>()) {
          auto number = tensorNumber(&op, name);
          if (failed(number))
            return failure();
          list->push_back(*number);
        }
    } else if (auto launch = dyn_cast<exec::LaunchOp>(op)) {
      artifact::Launch l;
      l.name = launch.getName().str();
      auto it = kernels.find(launch.getKernel());
      if (it == kernels.end())
        return op.emitOpError() << "refers to the kernel '" << launch.getKernel()
                                << "', which the program does not have",
               failure();
      l.kernel = it->second;
      for (auto buffer : launch.getBuffers().getAsRange<exec::BufferAttr>()) {
        artifact::BufferRef ref;
        ref.kind = artifact::BufferKind(buffer.getPlace());
        ref.place = buffer.getIndex();
        if (!buffer.getTensor().empty()) {
          auto number = tensorNumber(&op, buffer.getTensor());
          if (failed(number))
            return failure();
          ref.tensor = *number;
        }
        l.buffers.push_back(ref);
      }
      l.stores.assign(launch.getStores().begin(), launch.getStores().end());
      l.dims = toDimExprs(launch.getDims());
      l.tiles = toDimExpr(launch.getTiles().getResult(0));
      l.scratchBytes = toDimExpr(launch.getScratch().getResult(0));
      l.note = launch.getNote().value_or("").str();
      auto gpu = toGpuLaunch(launch, model.gpuKernels);
      if (failed(gpu))
        return failure();
      l.gpu = std::move(*gpu);
      entry.launches.push_back(std::move(l));
    } else {
      return op.emitOpError() << "is not part of an exec.program", failure();
    }
  }
  if (auto plan = program->getAttrOfType<StringAttr>("plan"))
    model.plan = plan.str();
  if (auto provenance = program->getAttrOfType<DictionaryAttr>("provenance"))
    for (NamedAttribute property : provenance)
      if (auto text = dyn_cast<StringAttr>(property.getValue()))
        model.provenance.push_back({property.getName().str(), text.str()});
  return model;
}

/// Every expression of a model.
template <typename Visit> static void visitExpressions(const artifact::Model &model, Visit visit) {
  auto all = [&](const std::vector<artifact::DimExpr> &exprs) {
    for (const artifact::DimExpr &expr : exprs)
      visit(expr);
  };
  for (const artifact::Tensor &tensor : model.tensors)
    all(tensor.dims);
  for (const artifact::EntryPoint &entry : model.entries)
    for (const artifact::Launch &launch : entry.launches) {
      all(launch.dims);
      all({launch.tiles, launch.scratchBytes, launch.gpu.m});
      for (const artifact::GpuVariant &variant : launch.gpu.variants) {
        all({variant.gridX, variant.gridY});
        for (const artifact::GpuArgument &argument : variant.arguments) {
          visit(argument.value);
          all(argument.map.dims);
          all(argument.map.strideBytes);
          all(argument.map.box);
        }
      }
    }
}

OwningOpRef<ModuleOp> bitwright::fromArtifact(const artifact::Model &model, MLIRContext *context) {
  context->loadDialect<exec::ExecDialect, qnn::QnnDialect>();
  std::string strange;
  visitExpressions(model, [&](const artifact::DimExpr &expr) {
    if (!fromDimExpr(expr, context))
      strange = expr.str(model.symbols);
  });
  if (!strange.empty()) {
    emitError(UnknownLoc::get(context)) << "exec IR has no form for the expression " << strange
                                        << ": it knows neither max nor min";
    return {};
  }
  OpBuilder builder(context);
  Location loc = builder.getUnknownLoc();
  WeightStore &store = getWeightStore(context);
  OwningOpRef<ModuleOp> module = ModuleOp::create(loc);
  builder.setInsertionPointToEnd(module->getBody());
  unsigned numSymbols = model.symbols.size();
  SmallVector<Attribute> symbols;
  for (const artifact::Symbol &symbol : model.symbols)
    symbols.push_back(qnn::SymbolAttr::get(context, symbol.name, symbol.lo, symbol.hi, symbol.divisor));
  const artifact::EntryPoint &entry = model.entries.front();
  auto program =
      exec::ProgramOp::create(builder, loc, entry.name, builder.getArrayAttr(symbols), int64_t(model.arenaBytes));
  builder.createBlock(&program.getBody());
  auto mapOf = [&](llvm::ArrayRef<artifact::DimExpr> exprs) {
    SmallVector<AffineExpr> results;
    for (const artifact::DimExpr &expr : exprs)
      results.push_back(fromDimExpr(expr, context));
    return AffineMap::get(0, numSymbols, results, context);
  };
  auto keep = [&](const std::string &name, const artifact::Blob &blob) {
    auto type = RankedTensorType::get({int64_t(blob.size())}, builder.getI8Type());
    store.set(name, WeightData::copyOf<uint8_t>(type, {blob.data(), blob.size()}));
    return name;
  };
  for (const artifact::Tensor &t : model.tensors) {
    SmallVector<int64_t> order(t.order.begin(), t.order.end());
    auto op = exec::TensorOp::create(builder, loc, t.name, fromElementType(t.type, context), mapOf(t.dims), order,
                                     DenseF32ArrayAttr(), DenseI32ArrayAttr());
    if (t.scheme.quantized) {
      op.setScalesAttr(builder.getDenseF32ArrayAttr(t.scheme.scales));
      op.setZeroPointsAttr(builder.getDenseI32ArrayAttr(t.scheme.zeroPoints));
      op.setAxis(t.scheme.axis);
    }
  }
  for (const artifact::Weight &w : model.weights) {
    DenseI64ArrayAttr panels; // of panels that are stored byte by byte, the file does not know the sides
    if (w.packed.isPacked())
      panels = builder.getDenseI64ArrayAttr({w.packed.groups, w.packed.rows, w.packed.columns});
    exec::WeightOp::create(builder, loc, w.name, w.layout, keep("bwm/" + w.name, w.bytes), panels);
  }
  for (const artifact::CodeSegment &c : model.code)
    exec::CodeOp::create(builder, loc, artifact::isaName(c.isa),
                         keep(std::string("bwm/code/") + artifact::isaName(c.isa), c.bytes));
  for (const layout::Packing &packing : model.packings)
    fromPacking(packing, builder, loc);
  for (const artifact::GpuCode &c : model.gpuCode) {
    const char *arch = artifact::gpuArchName(c.arch), *kind = artifact::gpuCodeKindName(c.kind);
    exec::GpuCodeOp::create(builder, loc, arch, kind, keep(std::string("bwm/gpu/") + arch + "." + kind, c.bytes));
  }
  for (const artifact::GpuKernel &k : model.gpuKernels)
    fromGpuKernel(k, builder, loc);
  for (const artifact::Kernel &k : model.kernels) {
    SmallVector<NamedAttribute> entries;
    for (const artifact::KernelVariant &v : k.variants)
      entries.push_back(builder.getNamedAttr(artifact::isaName(v.isa), builder.getI64IntegerAttr(v.offset)));
    exec::KernelOp::create(builder, loc, k.name, builder.getDictionaryAttr(entries));
  }
  auto names = [&](llvm::ArrayRef<uint32_t> numbers) {
    SmallVector<StringRef> result;
    for (uint32_t number : numbers)
      result.push_back(model.tensors[number].name);
    return builder.getStrArrayAttr(result);
  };
  exec::InterfaceOp::create(builder, loc, names(entry.inputs), names(entry.outputs));
  for (const artifact::Launch &l : entry.launches) {
    SmallVector<Attribute> buffers;
    for (const artifact::BufferRef &b : l.buffers)
      buffers.push_back(exec::BufferAttr::get(context, exec::Place(b.kind), b.place,
                                              b.tensor < 0 ? "" : StringRef(model.tensors[b.tensor].name)));
    SmallVector<int64_t> stores(l.stores.begin(), l.stores.end());
    auto launch = exec::LaunchOp::create(
        builder, loc, l.name, model.kernels[l.kernel].name, builder.getArrayAttr(buffers), stores, mapOf(l.dims),
        mapOf(l.tiles), mapOf(l.scratchBytes), l.note.empty() ? StringAttr() : builder.getStringAttr(l.note));
    fromGpuLaunch(l.gpu, model.gpuKernels, numSymbols, launch);
  }
  return module;
}
