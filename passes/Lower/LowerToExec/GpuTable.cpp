//===- GpuTable.cpp - launches on a GPU --------------------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "passes/Lower/LowerToExec/GpuTable.h"
#include "lib/Target/X86/PanelLayout.h"
#include "lib/Weights/WeightStore.h"
#include "passes/Lower/LowerKernelsToNvvm/LowerKernelsToNvvm.h"
#include "passes/Lower/SelectKernels/SelectKernels.h"

using namespace mlir;
using namespace bitwright;
using exec::CanonicalOrder;
using exec::GpuArgumentKind;
using nvptx::Form;
using nvptx::Role;

/// A constant as the GPU's packer finds it.
struct GpuTable::Source {
  unsigned weight = 0;
  CanonicalOrder order = CanonicalOrder::RowMajor;
  bool isSigned = true;
  int64_t stored = 0; ///< what the bytes are above the codes: 8 for signed nibbles that are kept as code + 8
};

InFlightDiagnostic GpuTable::error() { return op.emitOpError() << "GPU table: "; }

AffineMap GpuTable::mapOf(ArrayRef<AffineExpr> exprs) { return AffineMap::get(0, numSymbols, exprs, op.getContext()); }

FailureOr<GpuRows> GpuTable::addLaunch(kernel::FusedOp fused, const x86::KernelInfo &kernelInfo,
                                       ArrayRef<unsigned> launchWeights, AddWeight add) {
  op = fused;
  info = &kernelInfo;
  weights = launchWeights;
  addWeight = add;
  GpuRows rows;
  rows.reason = op->getAttrOfType<StringAttr>(gpuReasonAttr);
  auto symbol = op->getAttrOfType<FlatSymbolRefAttr>(gpuKernelAttr);
  auto mMap = op->getAttrOfType<AffineMapAttr>(gpuMapAttr);
  if (!symbol || !mMap)
    return rows;
  Operation *kernelOp = SymbolTable::lookupSymbolIn(module, symbol);
  if (!kernelOp || !isa<kernel::GemmOp, kernel::RowsOp>(kernelOp))
    return error() << "expected a kernel.gemm or kernel.rows " << symbol << " in the module", failure();
  auto launches = kernelOp->getAttrOfType<ArrayAttr>(gpuLaunchesAttr);
  if (!launches || launches.empty()) {
    rows.reason = kernelOp->getAttrOfType<StringAttr>(gpuReasonAttr);
    if (!rows.reason)
      rows.reason = StringAttr::get(op.getContext(), "its kernel was not compiled");
    return rows;
  }
  m = mMap.getValue().getResult(0);
  n = isa<kernel::GemmOp>(kernelOp) ? cast<kernel::GemmOp>(kernelOp).getN() : cast<kernel::RowsOp>(kernelOp).getN();
  if (auto gemm = dyn_cast<kernel::GemmOp>(kernelOp)) {
    k = gemm.getK();
    lhsBits = gemm.getSegment(0).getLhs().getIntOrFloatBitWidth();
  }
  SmallVector<Attribute> variants;
  for (Attribute attr : launches) {
    auto facts = toLaunchFacts(attr);
    if (!facts)
      return error() << "expected what lower-kernels-to-nvvm writes, found " << attr, failure();
    auto row = variant(*facts);
    if (failed(row))
      return failure();
    variants.push_back(*row);
  }
  rows.m = AffineMapAttr::get(mapOf(m));
  rows.variants = ArrayAttr::get(op.getContext(), variants);
  return rows;
}

FailureOr<exec::GpuVariantAttr> GpuTable::variant(const LaunchFacts &facts) {
  const nvptx::EmittedKernel &kernel = facts.kernel;
  MLIRContext *context = op.getContext();
  kernels.insert(
      {{StringAttr::get(context, kernel.symbol), StringAttr::get(context, nvptx::nameOf(kernel.arch))}, facts});
  SmallVector<Attribute> arguments;
  for (const nvptx::Parameter &parameter : kernel.parameters) {
    auto attr = argument(parameter);
    if (failed(attr))
      return failure();
    arguments.push_back(*attr);
  }
  AffineMap grid = mapOf({kernel.gridX.replaceDims(m), kernel.gridY.replaceDims(m)});
  return exec::GpuVariantAttr::get(context, kernel.symbol, nvptx::nameOf(kernel.arch), facts.mLo, facts.mHi,
                                   simplifyAffineMap(grid), kernel.persistent, ArrayAttr::get(context, arguments));
}

/// What `gpu_bindings` says of a parameter: the number of an operand, or a name in the weight store.
Attribute GpuTable::bindingOf(const nvptx::Parameter &parameter) {
  auto bindings = op->getAttrOfType<DictionaryAttr>(gpuBindingsAttr);
  if (!bindings)
    return {};
  if (parameter.role == Role::Lhs)
    return bindings.get("lhs");
  StringRef name = parameter.role == Role::Rhs              ? "rhs"
                   : parameter.role == Role::GroupScale     ? "group_scale"
                   : parameter.role == Role::GroupZeroPoint ? "group_zero_point"
                                                            : "operands";
  auto list = bindings.getAs<ArrayAttr>(name);
  return list && parameter.index < list.size() ? list[parameter.index] : Attribute();
}

std::optional<WeightData> GpuTable::dataOf(Attribute binding) {
  if (auto name = dyn_cast_or_null<StringAttr>(binding))
    return getWeightStore(op.getContext()).lookup(name);
  auto number = dyn_cast_or_null<IntegerAttr>(binding);
  if (!number || number.getInt() < 0 || number.getInt() >= int64_t(op.getInputs().size()))
    return std::nullopt;
  Value input = op.getInputs()[number.getInt()];
  return input.getDefiningOp<kernel::FusedOp>() || isa<BlockArgument>(input) ? std::nullopt : getConstant(input);
}

/// Constants: the CPU's packed codes where they are the same ones, else bytes of their own.
FailureOr<GpuTable::Source> GpuTable::constantOf(const nvptx::Parameter &parameter) {
  Attribute binding = bindingOf(parameter);
  Source source;
  if (auto number = dyn_cast_or_null<IntegerAttr>(binding); number && parameter.role == Role::Rhs)
    for (auto [constant, weight] : llvm::zip(info->constants, weights))
      if (constant.operand == number.getInt() && constant.order != x86::ConstantBuffer::Order::Other) {
        bool nibbles = constant.order == x86::ConstantBuffer::Order::PanelNibbles;
        source.weight = weight;
        source.order = nibbles ? CanonicalOrder::PanelNibbles : CanonicalOrder::PanelBytes;
        source.isSigned = !nibbles; // code + 8, or unsigned themselves
        source.stored = constant.plusEight ? 8 : 0;
        return source;
      }
  auto data = dataOf(binding);
  if (!data)
    return error() << "expected constant contents of "
                   << (parameter.role == Role::Rhs ? "the weights" : "a scale, bias, multiplier or table"),
           failure();
  unsigned bits = data->type.getElementTypeBitWidth();
  if (parameter.packing && bits == 16 && parameter.packing->bits == 8 && !isa<FloatType>(data->type.getElementType())) {
    // Offsets of two-level groups: the kernel's bytes wrap, so the low eight bits are enough (INTEGER R16).
    std::vector<uint8_t> low;
    for (int64_t value : toIntegers(*data))
      low.push_back(uint8_t(value));
    source.weight = (*addWeight)(low, "group offsets [N][K/group] s8, row-major", getName(op), std::nullopt);
    return source;
  }
  if (parameter.packing && bits != parameter.packing->bits)
    return error() << "the kernel packs elements of " << parameter.packing->bits << " bits, the constant has " << bits,
           failure();
  source.isSigned = !isa<FloatType>(data->type.getElementType());
  if (parameter.role == Role::Rhs && (bits == 8 || bits == 4)) {
    // In the panels that the CPU reads, should it read them one day.
    x86::PanelLayout panels{bits == 8 ? x86::PanelKind::Bytes : x86::PanelKind::Nibbles, 1, data->type.getDimSize(0),
                            data->type.getDimSize(1)};
    std::vector<int64_t> codes = toIntegers(*data);
    bool twoLevel = bits == 4 && isa<dyadic::LinearTwoLevelOp>(*op.getBlock().begin());
    if (bits == 4)
      for (int64_t &code : codes)
        code = twoLevel ? code & 15 : code + 8;
    source.order = bits == 8 ? CanonicalOrder::PanelBytes : CanonicalOrder::PanelNibbles;
    source.isSigned = bits == 8;
    source.stored = bits == 4 && !twoLevel ? 8 : 0;
    source.weight = (*addWeight)(x86::packIntegerPanels(panels, codes, 1),
                                 bits == 8 ? "weights [N/16][K/4][16][4] s8" : "codes [N/16][K/8][16][8]", getName(op),
                                 bits == 4 ? std::optional(panels) : std::nullopt);
    return source;
  }
  source.weight = (*addWeight)(data->bytes, "row-major", getName(op), std::nullopt);
  return source;
}

int64_t GpuTable::addPacking(const layout::Packing &packing) {
  auto key = [](const layout::Packing &p) {
    return std::tuple(p.rows, p.columns, p.bits, p.bias, p.fill, p.order, p.pitch, p.tile.rowBasis, p.tile.columnBasis);
  };
  for (auto [i, other] : llvm::enumerate(packings))
    if (key(other) == key(packing))
      return i;
  packings.push_back(packing);
  return packings.size() - 1;
}

exec::GpuMapAttr GpuTable::mapOver(const nvptx::TensorMap &map, AffineExpr rows, int64_t columns) {
  auto number = [&](int64_t v) { return getAffineConstantExpr(v, op.getContext()); };
  int64_t bytes = map.elementBits / 8;
  SmallVector<AffineExpr> dims, strides, box;
  if (map.rank == 3) {
    dims = {number(map.boxColumns), rows, number(llvm::divideCeil(columns, map.boxColumns))};
    strides = {number(columns * bytes), number(map.boxColumns * bytes)};
    box = {number(map.boxColumns), number(map.boxRows), number(map.boxBlocks)};
  } else {
    dims = {number(columns), rows};
    strides = {number(columns * bytes)};
    box = {number(map.boxColumns), number(map.boxRows)};
  }
  return exec::GpuMapAttr::get(op.getContext(), map.elementBits, mapOf(dims), mapOf(strides), mapOf(box),
                               map.swizzle128);
}

FailureOr<exec::GpuArgumentAttr> GpuTable::argument(const nvptx::Parameter &parameter) {
  MLIRContext *context = op.getContext();
  auto make = [&](GpuArgumentKind kind, int64_t index, exec::GpuMapAttr map = {}) {
    return exec::GpuArgumentAttr::get(context, kind, index, -1, CanonicalOrder::RowMajor, true, map, AffineMap());
  };
  bool isMap = parameter.form == Form::TensorMap;
  switch (parameter.role) {
  case Role::M:
    return exec::GpuArgumentAttr::get(context, GpuArgumentKind::Int32, 0, -1, CanonicalOrder::RowMajor, true, {},
                                      mapOf(m));
  case Role::Result: {
    int64_t bits = cast<RankedTensorType>(op.getOutputs()[parameter.index].getType()).getElementTypeBitWidth();
    exec::GpuMapAttr map = isMap ? mapOver(parameter.map, m, n * bits / parameter.map.elementBits) : exec::GpuMapAttr();
    return make(isMap ? GpuArgumentKind::BufferMap : GpuArgumentKind::Buffer,
                int64_t(info->runtimeOperands.size() + weights.size() + parameter.index), map);
  }
  case Role::Lhs:
  case Role::Operand:
  case Role::Rhs:
  case Role::GroupScale:
  case Role::GroupZeroPoint:
    break;
  }
  // A tensor of the launch?
  if (auto number = dyn_cast_or_null<IntegerAttr>(bindingOf(parameter)))
    if (auto it = llvm::find(info->runtimeOperands, unsigned(number.getInt())); it != info->runtimeOperands.end()) {
      exec::GpuMapAttr map =
          isMap ? mapOver(parameter.map, m, k * int64_t(lhsBits) / parameter.map.elementBits) : exec::GpuMapAttr();
      return make(isMap ? GpuArgumentKind::BufferMap : GpuArgumentKind::Buffer, it - info->runtimeOperands.begin(),
                  map);
    }
  auto source = constantOf(parameter);
  if (failed(source))
    return failure();
  if (!parameter.packing)
    return make(GpuArgumentKind::Weight, source->weight);
  layout::Packing packing = *parameter.packing;
  packing.bias -= source->stored;
  exec::GpuMapAttr map;
  if (isMap) {
    int64_t width = packing.order == layout::Packing::Order::Pitched ? packing.pitch
                                                                     : packing.tileColumns() * packing.tile.columns();
    map = mapOver(parameter.map, getAffineConstantExpr(packing.tileRows() * packing.tile.rows(), context),
                  width * packing.bits / parameter.map.elementBits);
  }
  return exec::GpuArgumentAttr::get(context, isMap ? GpuArgumentKind::WeightMap : GpuArgumentKind::Weight,
                                    source->weight, addPacking(packing), source->order, source->isSigned, map,
                                    AffineMap());
}

void GpuTable::build(OpBuilder &builder, Location loc) {
  for (const layout::Packing &p : packings) {
    auto basis = [&](const std::vector<uint32_t> &values) {
      return SmallVector<int64_t>(values.begin(), values.end());
    };
    exec::PackingOp::create(builder, loc, p.rows, p.columns, p.bits, p.bias, p.fill,
                            p.order == layout::Packing::Order::Blocked ? "blocked" : "pitched", p.pitch,
                            basis(p.tile.rowBasis), basis(p.tile.columnBasis));
  }
  if (kernels.empty())
    return;
  if (auto code = module->getAttrOfType<ArrayAttr>(gpuCodeAttr))
    for (auto part : code.getAsRange<DictionaryAttr>())
      exec::GpuCodeOp::create(builder, loc, part.getAs<StringAttr>("arch"), part.getAs<StringAttr>("kind"),
                              part.getAs<StringAttr>("source"));
  for (auto &[name, facts] : kernels)
    exec::GpuKernelOp::create(builder, loc, name.first, name.second, builder.getI64IntegerAttr(facts.kernel.threads),
                              builder.getI64IntegerAttr(facts.kernel.sharedBytes),
                              builder.getI64IntegerAttr(facts.kernel.cluster),
                              facts.kernel.pdl ? builder.getUnitAttr() : UnitAttr());
}
