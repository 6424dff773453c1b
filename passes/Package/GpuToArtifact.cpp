//===- GpuToArtifact.cpp - exec IR and the GPU part of a .bwm file ---------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "passes/Package/GpuToArtifact.h"
#include "passes/Package/ExecToArtifact.h"

using namespace mlir;
using namespace bitwright;

/// A number that the file keeps in fewer bits.
template <typename To> static LogicalResult narrow(Operation *op, StringRef what, int64_t value, To &result) {
  result = To(value);
  if (int64_t(result) == value)
    return success();
  return op->emitOpError() << what << " is " << value << ", which does not fit the file format";
}

static FailureOr<artifact::GpuArch> archOf(Operation *op, StringRef name) {
  artifact::GpuArch arch;
  if (artifact::parseGpuArch(name.str(), arch))
    return arch;
  return op->emitOpError() << "expected an architecture (sm_80, sm_90a), found '" << name << "'", failure();
}

FailureOr<layout::Packing> bitwright::toPacking(exec::PackingOp op) {
  layout::Packing packing;
  packing.rows = op.getRows();
  packing.columns = op.getColumns();
  packing.bias = op.getBias();
  packing.fill = op.getFill();
  packing.pitch = op.getPitch();
  auto order = exec::symbolizePackingOrder(op.getOrder());
  if (!order)
    return op.emitOpError() << "expected order blocked or pitched, found '" << op.getOrder() << "'", failure();
  packing.order = layout::Packing::Order(*order);
  if (failed(narrow(op, "bits", op.getBits(), packing.bits)))
    return failure();
  for (auto [from, to] :
       {std::pair(op.getRowBasis(), &packing.tile.rowBasis), std::pair(op.getColumnBasis(), &packing.tile.columnBasis)})
    for (int64_t value : from) {
      to->emplace_back();
      if (failed(narrow(op, "a basis", value, to->back())))
        return failure();
    }
  return packing;
}

FailureOr<artifact::GpuKernel> bitwright::toGpuKernel(exec::GpuKernelOp op) {
  artifact::GpuKernel kernel;
  auto arch = archOf(op, op.getArch());
  if (failed(arch) || failed(narrow(op, "threads", op.getThreads(), kernel.threads)) ||
      failed(narrow(op, "shared", op.getShared(), kernel.sharedBytes)) ||
      failed(narrow(op, "cluster", op.getCluster(), kernel.cluster)))
    return failure();
  kernel.symbol = op.getSymbol().str();
  kernel.arch = *arch;
  kernel.pdl = op.getPdl();
  return kernel;
}

FailureOr<artifact::GpuCode> bitwright::toGpuCode(exec::GpuCodeOp op) {
  artifact::GpuCode code;
  auto arch = archOf(op, op.getArch());
  if (failed(arch))
    return failure();
  code.arch = *arch;
  if (op.getKind() != "cubin" && op.getKind() != "ptx")
    return op.emitOpError() << "expected kind cubin or ptx, found '" << op.getKind() << "'", failure();
  code.kind = op.getKind() == "ptx" ? artifact::GpuCodeKind::Ptx : artifact::GpuCodeKind::Cubin;
  return code;
}

static std::vector<artifact::DimExpr> exprsOf(AffineMap map) {
  std::vector<artifact::DimExpr> result;
  for (AffineExpr expr : map.getResults())
    result.push_back(toDimExpr(expr));
  return result;
}

static FailureOr<artifact::GpuArgument> toArgument(exec::LaunchOp op, exec::GpuArgumentAttr attr) {
  artifact::GpuArgument argument;
  argument.kind = artifact::GpuArgumentKind(attr.getKind());
  argument.order = artifact::CanonicalOrder(attr.getOrder());
  argument.signExtend = attr.getIsSigned();
  if (failed(narrow(op, "the index of a gpu_argument", attr.getIndex(), argument.index)) ||
      failed(narrow(op, "the packing of a gpu_argument", attr.getPacking(), argument.packing)))
    return failure();
  bool isMap = attr.getKind() == exec::GpuArgumentKind::BufferMap || attr.getKind() == exec::GpuArgumentKind::WeightMap;
  bool isValue = attr.getKind() == exec::GpuArgumentKind::Int32;
  if (bool(attr.getMap()) != isMap)
    return op.emitOpError() << "expected a map for gpu_arguments of kind buffer_map and weight_map only, found "
                            << attr,
           failure();
  if (bool(attr.getValue()) != isValue || (isValue && attr.getValue().getNumResults() != 1))
    return op.emitOpError() << "expected a value with one result for gpu_arguments of kind int32 only, found " << attr,
           failure();
  if (isValue)
    argument.value = toDimExpr(attr.getValue().getResult(0));
  if (isMap) {
    exec::GpuMapAttr map = attr.getMap();
    if (map.getBox().getNumResults() != map.getDims().getNumResults() ||
        map.getStrides().getNumResults() + 1 != map.getDims().getNumResults())
      return op.emitOpError() << "expected as many box as dims and one stride less, found " << map, failure();
    if (failed(narrow(op, "the bits of a gpu_map", map.getBits(), argument.map.elementBits)))
      return failure();
    argument.map.rank = map.getDims().getNumResults();
    argument.map.dims = exprsOf(map.getDims());
    argument.map.strideBytes = exprsOf(map.getStrides());
    argument.map.box = exprsOf(map.getBox());
    argument.map.swizzle128 = map.getSwizzle();
  }
  return argument;
}

FailureOr<artifact::GpuLaunch> bitwright::toGpuLaunch(exec::LaunchOp op,
                                                      const std::vector<artifact::GpuKernel> &kernels) {
  artifact::GpuLaunch launch;
  launch.reason = op.getGpuReason().value_or("").str();
  if (auto m = op.getGpuM()) {
    if (m->getNumResults() != 1)
      return op.emitOpError() << "expected gpu_m with one result, found " << m->getNumResults(), failure();
    launch.m = toDimExpr(m->getResult(0));
  }
  if (!op.getGpu())
    return launch;
  ArrayAttr table = *op.getGpu();
  for (Attribute entry : table) {
    auto attr = dyn_cast<exec::GpuVariantAttr>(entry);
    if (!attr)
      return op.emitOpError() << "expected #exec.gpu_variant in gpu, found " << entry, failure();
    artifact::GpuVariant variant;
    auto arch = archOf(op, attr.getArch());
    if (failed(arch))
      return failure();
    auto it = llvm::find_if(kernels, [&](const artifact::GpuKernel &kernel) {
      return kernel.arch == *arch && kernel.symbol == attr.getKernel();
    });
    if (it == kernels.end())
      return op.emitOpError() << "refers to the GPU kernel '" << attr.getKernel() << "' of " << attr.getArch()
                              << ", which the program does not have",
             failure();
    variant.kernel = it - kernels.begin();
    variant.mLo = attr.getMLo();
    variant.mHi = attr.getMHi();
    if (attr.getGrid().getNumResults() != 2)
      return op.emitOpError() << "expected a grid with two results, found " << attr.getGrid().getNumResults(),
             failure();
    variant.gridX = toDimExpr(attr.getGrid().getResult(0));
    variant.gridY = toDimExpr(attr.getGrid().getResult(1));
    variant.persistent = attr.getPersistent();
    for (Attribute argument : attr.getArguments()) {
      auto typed = dyn_cast<exec::GpuArgumentAttr>(argument);
      if (!typed)
        return op.emitOpError() << "expected #exec.gpu_argument in arguments, found " << argument, failure();
      auto converted = toArgument(op, typed);
      if (failed(converted))
        return failure();
      variant.arguments.push_back(std::move(*converted));
    }
    launch.variants.push_back(std::move(variant));
  }
  return launch;
}

void bitwright::fromPacking(const layout::Packing &packing, OpBuilder &builder, Location loc) {
  SmallVector<int64_t> rows(packing.tile.rowBasis.begin(), packing.tile.rowBasis.end());
  SmallVector<int64_t> columns(packing.tile.columnBasis.begin(), packing.tile.columnBasis.end());
  exec::PackingOp::create(builder, loc, packing.rows, packing.columns, packing.bits, packing.bias, packing.fill,
                          exec::stringifyPackingOrder(exec::PackingOrder(packing.order)), packing.pitch, rows, columns);
}

void bitwright::fromGpuKernel(const artifact::GpuKernel &kernel, OpBuilder &builder, Location loc) {
  exec::GpuKernelOp::create(builder, loc, kernel.symbol, artifact::gpuArchName(kernel.arch), kernel.threads,
                            kernel.sharedBytes, kernel.cluster, kernel.pdl);
}

void bitwright::fromGpuLaunch(const artifact::GpuLaunch &launch, const std::vector<artifact::GpuKernel> &kernels,
                              unsigned numSymbols, exec::LaunchOp op) {
  Builder builder(op.getContext());
  auto mapOf = [&](llvm::ArrayRef<artifact::DimExpr> exprs) {
    SmallVector<AffineExpr> results;
    for (const artifact::DimExpr &expr : exprs)
      results.push_back(fromDimExpr(expr, op.getContext()));
    return AffineMap::get(0, numSymbols, results, op.getContext());
  };
  if (!launch.reason.empty())
    op.setGpuReasonAttr(builder.getStringAttr(launch.reason));
  if (launch.variants.empty())
    return;
  op.setGpuMAttr(AffineMapAttr::get(mapOf(launch.m)));
  SmallVector<Attribute> variants;
  for (const artifact::GpuVariant &v : launch.variants) {
    SmallVector<Attribute> arguments;
    for (const artifact::GpuArgument &a : v.arguments) {
      exec::GpuMapAttr map;
      AffineMap value;
      if (a.kind == artifact::GpuArgumentKind::BufferMap || a.kind == artifact::GpuArgumentKind::WeightMap)
        map = exec::GpuMapAttr::get(op.getContext(), a.map.elementBits, mapOf(a.map.dims), mapOf(a.map.strideBytes),
                                    mapOf(a.map.box), a.map.swizzle128);
      if (a.kind == artifact::GpuArgumentKind::Int32)
        value = mapOf(a.value);
      arguments.push_back(exec::GpuArgumentAttr::get(op.getContext(), exec::GpuArgumentKind(a.kind), a.index, a.packing,
                                                     exec::CanonicalOrder(a.order), a.signExtend, map, value));
    }
    const artifact::GpuKernel &kernel = kernels[v.kernel];
    variants.push_back(exec::GpuVariantAttr::get(op.getContext(), kernel.symbol, artifact::gpuArchName(kernel.arch),
                                                 v.mLo, v.mHi, mapOf({v.gridX, v.gridY}), v.persistent,
                                                 builder.getArrayAttr(arguments)));
  }
  op.setGpuAttr(builder.getArrayAttr(variants));
}
