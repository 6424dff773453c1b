//===- LowerToExec.cpp - kernels compiled, buffers planned -----------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "passes/Lower/LowerToExec/LowerToExec.h"
#include "lib/Target/X86/X86.h"
#include "lib/Weights/WeightStore.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "passes/Lower/LowerKernelsToNvvm/LowerKernelsToNvvm.h"
#include "passes/Lower/LowerToExec/ArenaPlan.h"
#include "passes/Lower/LowerToExec/GpuTable.h"
#include "passes/Package/ExecToArtifact.h"
#include "passes/Quantize/QuantizableOps.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/SHA256.h"
#include <thread>

namespace bitwright {
#define GEN_PASS_DEF_LOWERTOEXEC
#include "passes/Lower/LowerToExec/LowerToExec.h.inc"
} // namespace bitwright

using namespace mlir;
using namespace bitwright;
using kernel::FusedOp;
using kernel::Template;

namespace {

bool isConstant(Value value) { return isa_and_nonnull<qnn::ConstantOp, qnn::WeightOp>(value.getDefiningOp()); }

/// The value whose memory an alias shares.
Value storageOf(Value value) {
  for (;;) {
    auto fused = value.getDefiningOp<FusedOp>();
    if (!fused || fused.getKind() != Template::Alias)
      return value;
    value = fused.getInputs()[0];
  }
}

/// Bytes that become an exec.weight.
struct Constant {
  std::string source; ///< in the store
  std::string layout;
  DenseI64ArrayAttr panels; ///< sides of nibble panels, or null
};

/// One fused region on its way to a launch.
struct Launch {
  FusedOp op;
  x86::KernelInfo info;
  unsigned kernel;
  SmallVector<unsigned> weights;
  std::optional<GpuRows> gpu;
};

class Lowering {
public:
  Lowering(func::FuncOp func, const SymbolicShapes &shapes, ArrayRef<x86::Isa> isas, bool keepBodies)
      : func(func), context(func.getContext()), shapes(shapes), symbols(getSymbols(func)), isas(isas),
        keepBodies(keepBodies), gpuTable(func->getParentOfType<ModuleOp>(), symbols.size()) {}

  LogicalResult run() {
    for (x86::Isa isa : isas)
      modules.push_back(ModuleOp::create(func.getLoc(), x86::nameOf(isa)));
    bool failedAny = false;
    for (auto op : func.getOps<FusedOp>())
      if (op.getKind() != Template::Alias && failed(emit(op)))
        failedAny = true; // go on: all regions that cannot be lowered are listed at once
    if (failedAny || failed(compile()))
      return failure();
    if (failed(addGpu()))
      return failure();
    placeValues();
    return build();
  }

private:
  /// Emits the region for every ISA; shares the kernel of an earlier region with the same code.
  LogicalResult emit(FusedOp op) {
    SmallVector<SymbolicShape> operandShapes;
    for (Value operand : op.getInputs())
      operandShapes.push_back(shapes.get(operand));
    std::string symbol = "k" + std::to_string(kernelNames.size()), text;
    Launch launch{op, {}, 0, {}, std::nullopt};
    SmallVector<Operation *> functions;
    for (auto [isa, module] : llvm::zip(isas, modules)) {
      auto info = x86::emitKernel(op, operandShapes, symbols, isa, *module, symbol);
      if (failed(info))
        return failure();
      launch.info = std::move(*info);
      Operation *function = SymbolTable::lookupSymbolIn(*module, symbol);
      functions.push_back(function);
      function->setAttr("sym_name", StringAttr::get(context, "kernel"));
      llvm::raw_string_ostream(text) << *function;
      function->setAttr("sym_name", StringAttr::get(context, symbol));
    }
    auto [it, inserted] = kernelsByText.try_emplace(llvm::toHex(llvm::SHA256::hash(llvm::arrayRefFromStringRef(text))),
                                                    kernelNames.size());
    launch.kernel = it->second;
    if (inserted)
      kernelNames.push_back(symbol);
    else
      for (Operation *function : functions)
        function->erase();
    for (x86::ConstantBuffer &constant : launch.info.constants) {
      launch.weights.push_back(addWeight(constant.bytes, constant.description, getName(op), constant.nibbles));
      std::vector<uint8_t>().swap(constant.bytes); // the GPU table still asks what it was
    }
    launches.push_back(std::move(launch));
    return success();
  }

  /// `nibbles`: the sides where the bytes are panels of 4-bit codes.
  unsigned addWeight(ArrayRef<uint8_t> bytes, StringRef description, StringRef name,
                     std::optional<x86::PanelLayout> nibbles) {
    auto digest = llvm::SHA256::hash(bytes);
    auto [it, inserted] = weightsByDigest.try_emplace(llvm::toHex(digest), weights.size());
    if (!inserted)
      return it->second;
    WeightStore &store = getWeightStore(context);
    std::string source = store.uniqueName(("exec/" + name).str());
    auto type = RankedTensorType::get({int64_t(bytes.size())}, IntegerType::get(context, 8));
    store.set(source, WeightData::copyOf<uint8_t>(type, bytes));
    DenseI64ArrayAttr panels;
    if (nibbles)
      panels = DenseI64ArrayAttr::get(context, {nibbles->groups, nibbles->n, nibbles->k});
    weights.push_back({source, description.str(), panels});
    return it->second;
  }

  /// The rows of each launch's GPU table.
  LogicalResult addGpu() {
    auto add = [&](ArrayRef<uint8_t> bytes, StringRef description, StringRef name,
                   std::optional<x86::PanelLayout> nibbles) { return addWeight(bytes, description, name, nibbles); };
    for (Launch &launch : launches) {
      auto rows = gpuTable.addLaunch(launch.op, launch.info, launch.weights, add);
      if (failed(rows))
        return failure();
      launch.gpu = std::move(*rows);
    }
    return success();
  }

  LogicalResult compile() {
    // Registration changes the context: it must not happen in the threads.
    registerBuiltinDialectTranslation(*context);
    registerLLVMDialectTranslation(*context);
    // One module an ISA; a context with threads disabled compiles them one after the other.
    std::vector<FailureOr<x86::CodeBlob>> blobs(isas.size(), failure());
    if (context->isMultithreadingEnabled() && isas.size() > 1) {
      std::vector<std::thread> threads;
      for (size_t i = 0; i < isas.size(); ++i)
        threads.emplace_back([&, i] { blobs[i] = x86::compileModule(*modules[i], isas[i]); });
      for (std::thread &thread : threads)
        thread.join();
    } else {
      for (size_t i = 0; i < isas.size(); ++i)
        blobs[i] = x86::compileModule(*modules[i], isas[i]);
    }
    for (size_t i = 0; i < isas.size(); ++i) {
      if (failed(blobs[i]))
        return failure();
      auto type = RankedTensorType::get({int64_t(blobs[i]->bytes.size())}, IntegerType::get(context, 8));
      std::string source = ("exec/code/" + x86::nameOf(isas[i])).str();
      getWeightStore(context).set(source, WeightData::copyOf<uint8_t>(type, blobs[i]->bytes));
      codeSources.push_back(source);
      for (auto &[symbol, offset] : blobs[i]->entries)
        entryOffsets[symbol].push_back({x86::nameOf(isas[i]), offset});
    }
    return success();
  }

  artifact::Tensor tensorOf(Value value) {
    artifact::Tensor tensor;
    tensor.type = toElementType(cast<RankedTensorType>(value.getType()).getElementType());
    for (AffineExpr dim : shapes.get(value))
      tensor.dims.push_back(toDimExpr(dim));
    return tensor;
  }

  /// Arguments are inputs, storages of returned values are outputs, everything else lives in the arena.
  void placeValues() {
    for (BlockArgument argument : func.getArguments())
      places[argument] = {exec::Place::Input, argument.getArgNumber()};
    Operation *terminator = func.getBody().front().getTerminator();
    for (OpOperand &operand : terminator->getOpOperands())
      places[storageOf(operand.get())] = {exec::Place::Output, operand.getOperandNumber()};
    std::vector<artifact::Symbol> artifactSymbols;
    for (const DimSymbol &symbol : symbols)
      artifactSymbols.push_back({symbol.name, symbol.min, symbol.max, symbol.divisor});
    std::vector<ArenaValue> values;
    llvm::MapVector<Value, size_t> numbers;
    for (auto [index, launch] : llvm::enumerate(launches)) {
      for (unsigned operand : launch.info.runtimeOperands)
        if (auto it = numbers.find(storageOf(launch.op.getInputs()[operand])); it != numbers.end())
          values[it->second].last = index;
      for (Value result : launch.op.getOutputs()) {
        if (places.count(result))
          continue;
        uint64_t bytes = 0;
        artifact::tensorBytesBound(tensorOf(result), artifactSymbols, bytes);
        numbers[result] = values.size();
        values.push_back({bytes, int64_t(index), int64_t(index)});
      }
    }
    arenaBytes = planArena(values, artifact::readSlack);
    for (auto [value, number] : numbers)
      places[value] = {exec::Place::Arena, int64_t(values[number].offset)};
  }

  AffineMap mapOf(ArrayRef<AffineExpr> exprs) { return AffineMap::get(0, symbols.size(), exprs, context); }

  /// Declares the tensor of a value once; returns its name.
  std::string declare(OpBuilder &builder, Value value, StringRef name, ArrayRef<int64_t> order) {
    std::string unique = name.str();
    for (unsigned i = 1; !tensorNames.insert(unique).second; ++i)
      unique = (name + "#" + Twine(i)).str();
    auto tensor = exec::TensorOp::create(builder, value.getLoc(), unique,
                                         cast<RankedTensorType>(value.getType()).getElementType(),
                                         mapOf(shapes.get(value)), order, DenseF32ArrayAttr(), DenseI32ArrayAttr());
    if (DictionaryAttr grid = gridOf(value)) {
      tensor.setScalesAttr(builder.getDenseF32ArrayAttr(float(cast<FloatAttr>(grid.get("scale")).getValueAsDouble())));
      tensor.setZeroPointsAttr(
          builder.getDenseI32ArrayAttr(int32_t(cast<IntegerAttr>(grid.get("zero_point")).getInt())));
    }
    return unique;
  }

  /// The grid that integerize noted on the operation that makes the codes; null for values that are no codes.
  static DictionaryAttr gridOf(Value value) {
    auto result = dyn_cast<OpResult>(storageOf(value));
    if (!result)
      return {};
    Operation *maker =
        cast<FusedOp>(result.getOwner()).getYield().getValues()[result.getResultNumber()].getDefiningOp();
    return maker ? maker->getAttrOfType<DictionaryAttr>(gridAttr) : DictionaryAttr();
  }

  LogicalResult build() {
    OpBuilder builder(func);
    SmallVector<Attribute> symbolAttrs;
    for (const DimSymbol &symbol : symbols)
      symbolAttrs.push_back(qnn::SymbolAttr::get(context, symbol.name, symbol.min, symbol.max, symbol.divisor));
    auto program = exec::ProgramOp::create(builder, func.getLoc(), func.getName(), builder.getArrayAttr(symbolAttrs),
                                           int64_t(arenaBytes));
    builder.createBlock(&program.getBody());
    auto identity = [](Value value) {
      return llvm::to_vector(llvm::seq<int64_t>(0, cast<RankedTensorType>(value.getType()).getRank()));
    };

    SmallVector<StringRef> inputs, outputs;
    llvm::StringSet<> saved;
    for (BlockArgument argument : func.getArguments()) {
      auto name = saved.insert(declare(builder, argument, getValueName(argument), identity(argument))).first->getKey();
      nameOf[argument] = name.str();
      inputs.push_back(name);
    }
    for (OpOperand &operand : func.getBody().front().getTerminator()->getOpOperands()) {
      auto attr = func.getResultAttrOfType<StringAttr>(operand.getOperandNumber(), "qnn.name");
      std::string name = attr ? attr.str() : "output" + std::to_string(operand.getOperandNumber());
      auto key = saved.insert(declare(builder, operand.get(), name, identity(operand.get()))).first->getKey();
      // The storage itself may have another shape (an alias lies between): it is declared apart where the shapes
      // differ.
      if (storageOf(operand.get()) == operand.get())
        nameOf[operand.get()] = key.str();
      outputs.push_back(key);
    }
    for (Launch &launch : launches) {
      for (auto [index, operand] : llvm::enumerate(launch.op.getInputs()))
        if (!isConstant(operand) && !nameOf.count(operand))
          nameOf[operand] = declare(builder, operand, getValueName(operand), launch.op.getOperandLayout(index));
      for (auto [index, result] : llvm::enumerate(launch.op.getOutputs()))
        if (!nameOf.count(result))
          nameOf[result] = declare(builder, result, getValueName(result), launch.op.getResultLayout(index));
    }
    for (auto [index, weight] : llvm::enumerate(weights))
      exec::WeightOp::create(builder, func.getLoc(), "w" + std::to_string(index), weight.layout, weight.source,
                             weight.panels);
    for (auto [isa, source] : llvm::zip(isas, codeSources))
      exec::CodeOp::create(builder, func.getLoc(), x86::nameOf(isa), source);
    for (const std::string &name : kernelNames) {
      SmallVector<NamedAttribute> entries;
      for (auto &[isa, offset] : entryOffsets[name])
        entries.push_back(builder.getNamedAttr(isa, builder.getI64IntegerAttr(offset)));
      exec::KernelOp::create(builder, func.getLoc(), name, builder.getDictionaryAttr(entries));
    }
    gpuTable.build(builder, func.getLoc());
    exec::InterfaceOp::create(builder, func.getLoc(), builder.getStrArrayAttr(inputs),
                              builder.getStrArrayAttr(outputs));
    for (Launch &launch : launches)
      buildLaunch(builder, launch);
    func.erase();
    return success();
  }

  void buildLaunch(OpBuilder &builder, Launch &launch) {
    SmallVector<Attribute> buffers;
    SmallVector<int64_t> stores;
    auto add = [&](Value value) {
      auto [place, index] = places.lookup(storageOf(value));
      buffers.push_back(exec::BufferAttr::get(context, place, index, nameOf.lookup(value)));
    };
    for (unsigned operand : launch.info.runtimeOperands)
      add(launch.op.getInputs()[operand]);
    for (unsigned weight : launch.weights)
      buffers.push_back(exec::BufferAttr::get(context, exec::Place::Weight, weight, ""));
    for (Value result : launch.op.getOutputs()) {
      stores.push_back(buffers.size());
      add(result);
    }
    std::string note = kernel::stringifyTemplate(*launch.op.getKind()).str() + ":";
    for (Operation &op : launch.op.getBlock().without_terminator())
      note += " " + op.getName().getStringRef().str();
    auto op = exec::LaunchOp::create(
        builder, launch.op.getLoc(), getName(launch.op), kernelNames[launch.kernel], builder.getArrayAttr(buffers),
        stores, mapOf(launch.info.dims), mapOf(launch.info.tiles), mapOf(launch.info.scratchBytes),
        builder.getStringAttr(note), launch.gpu->m, launch.gpu->variants, launch.gpu->reason);
    if (keepBodies)
      keepBody(op, launch);
  }

  /// The region with run-time operands as arguments; constants are cloned inside.
  void keepBody(exec::LaunchOp op, Launch &launch) {
    OpBuilder builder(context);
    Block *block = builder.createBlock(&op.getBody());
    IRMapping mapping;
    for (unsigned operand : launch.info.runtimeOperands)
      mapping.map(launch.op.getBlock().getArgument(operand),
                  block->addArgument(launch.op.getInputs()[operand].getType(), launch.op.getLoc()));
    for (auto [argument, input] : llvm::zip(launch.op.getBlock().getArguments(), launch.op.getInputs()))
      if (!mapping.contains(argument) && isConstant(input))
        mapping.map(argument, builder.clone(*input.getDefiningOp())->getResult(0));
    for (Operation &inner : launch.op.getBlock())
      if (!isa<kernel::YieldOp>(inner))
        builder.clone(inner, mapping);
    SmallVector<Value> results;
    for (Value value : launch.op.getYield().getValues())
      results.push_back(mapping.lookup(value));
    kernel::YieldOp::create(builder, launch.op.getLoc(), results);
  }

  func::FuncOp func;
  MLIRContext *context;
  const SymbolicShapes &shapes;
  SmallVector<DimSymbol> symbols;
  ArrayRef<x86::Isa> isas;
  bool keepBodies;
  SmallVector<OwningOpRef<ModuleOp>> modules;
  std::vector<Launch> launches;
  std::vector<std::string> kernelNames, codeSources;
  llvm::StringMap<unsigned> kernelsByText, weightsByDigest;
  std::vector<Constant> weights;
  llvm::StringMap<SmallVector<std::pair<StringRef, uint64_t>>> entryOffsets;
  llvm::DenseMap<Value, std::pair<exec::Place, int64_t>> places;
  llvm::DenseMap<Value, std::string> nameOf;
  llvm::StringSet<> tensorNames;
  uint64_t arenaBytes = 0;
  GpuTable gpuTable;
};

struct LowerToExec : bitwright::impl::LowerToExecBase<LowerToExec> {
  using LowerToExecBase::LowerToExecBase;
  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto functions = llvm::to_vector(module.getOps<func::FuncOp>());
    if (functions.size() != 1) {
      module.emitError() << "expected one function, found " << functions.size();
      return signalPassFailure();
    }
    SmallVector<x86::Isa> isas;
    for (const std::string &name : isa) {
      if (name != "avx2" && name != "avx512vnni") {
        module.emitError() << "option isa: expected avx2 or avx512vnni, found '" << name << "'";
        return signalPassFailure();
      }
      isas.push_back(name == "avx2" ? x86::Isa::Avx2 : x86::Isa::Avx512Vnni);
    }
    if (isas.empty())
      isas = {x86::Isa::Avx2, x86::Isa::Avx512Vnni};
    if (!llvm::is_contained(isas, x86::Isa::Avx2))
      isas.insert(isas.begin(), x86::Isa::Avx2);
    auto shapes = SymbolicShapes::compute(functions[0]);
    if (failed(shapes) || failed(Lowering(functions[0], *shapes, isas, keepBodies).run()))
      return signalPassFailure();
    // Their code is in the program now.
    for (Operation &op : llvm::make_early_inc_range(*module.getBody()))
      if (llvm::isa<kernel::GemmOp, kernel::RowsOp>(op))
        op.erase();
    module->removeAttr(gpuCodeAttr);
  }
};

} // namespace
