//===- GpuChain.cpp - a model's GPU kernels against the interpreter --------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// Everything between `fuse` and a GPU, without one: selects, schedules and compiles the kernels of a model, writes its
// launch tables, and runs every row of every launch in the emulator with the arguments that the runtime would pass:
// weights packed from the file's bytes, tensor maps, grids. Results must be the interpreter's: integers, and floats of
// integer accumulators, bit for bit; floats of float accumulators inside the interval of lib/Reference/KernelGemm.h.
//
//===----------------------------------------------------------------------===//

#include "dialects/Exec/Exec.h"
#include "lib/Reference/Interpreter.h"
#include "lib/Reference/KernelGemm.h"
#include "lib/Runtime/Pack.h"
#include "lib/Target/Nvptx/Emulator.h"
#include "lib/Target/Nvptx/EmulatorTrial.h"
#include "lib/Weights/WeightFiles.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassRegistry.h"
#include "passes/Lower/LowerKernelsToNvvm/LaunchFacts.h"
#include "passes/Lower/SelectKernels/SelectKernels.h"
#include "passes/Package/ExecToArtifact.h"
#include "passes/Pipelines/Pipelines.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/Path.h"
#include <deque>

using namespace mlir;
using namespace bitwright;
using namespace bitwright::nvptx;
namespace cl = llvm::cl;

namespace {
/// LLVM's libraries register options of their own: ours are made after the parser was emptied.
struct Flags {
  cl::opt<std::string> modelPath{cl::Positional, cl::desc("MODEL.mlir as fuse hands it on"), cl::Required};
  cl::list<int64_t> sizes{"m", cl::desc("values of every symbol to run with"), cl::CommaSeparated};
  cl::opt<std::string> targets{"targets", cl::desc("GPU architectures"), cl::init("sm_80,sm_90a")};
  cl::opt<unsigned> hostThreads{"threads", cl::desc("threads of the emulator"), cl::init(2)};
};
Flags *flags;
} // namespace

namespace {

class Chain {
public:
  Chain() {
    DialectRegistry registry;
    registerAllDialects(registry);
    context.appendDialectRegistry(registry);
    context.loadAllAvailableDialects();
  }

  int run() {
    module = parseSourceFile<ModuleOp>(flags->modelPath, &context);
    if (!module)
      return 1;
    if (llvm::Error error = loadWeightFiles(*module, llvm::sys::path::parent_path(flags->modelPath))) {
      llvm::errs() << llvm::toString(std::move(error)) << "\n";
      return 1;
    }
    if (!runPasses("select-kernels{targets=" + flags->targets + "},schedule-kernels{targets=" + flags->targets +
                   "},lower-kernels-to-nvvm"))
      return 1;
    for (Operation &op : *module->getBody())
      if (auto launches = op.getAttrOfType<ArrayAttr>(gpuLaunchesAttr))
        for (auto [schedule, attr] : llvm::zip(op.getAttrOfType<ArrayAttr>("schedules"), launches)) {
          auto facts = toLaunchFacts(attr);
          if (!facts || failed(emitKernel(&op, cast<kernel::ScheduleAttr>(schedule), codeOf(facts->kernel.arch),
                                          facts->kernel.symbol)))
            return 1;
        }
    kernels = module->clone(); // what lower-to-exec consumes
    if (!runPasses("lower-to-exec"))
      return 1;
    auto artifact = toArtifact(*module->getOps<exec::ProgramOp>().begin());
    if (failed(artifact))
      return 1;
    model = std::move(*artifact);
    llvm::outs() << model.entries[0].launches.size() << " launches\n";
    func = *kernels->getOps<func::FuncOp>().begin();
    for (int64_t size : flags->sizes)
      runWith(size);
    llvm::outs() << "gpu-chain: " << passed << " passed, " << failedCount << " failed\n";
    return failedCount || !passed ? 1 : 0;
  }

private:
  bool runPasses(const std::string &text) {
    PassManager manager(&context);
    return succeeded(parsePassPipeline(text, manager)) && succeeded(manager.run(*module));
  }

  ModuleOp codeOf(Arch arch) {
    auto &code = codes[unsigned(arch)];
    if (!code)
      code = ModuleOp::create(UnknownLoc::get(&context));
    return *code;
  }

  void complain(const Twine &what) {
    llvm::outs() << what << "\n";
    ++failedCount;
  }

  /// One random input; values of every region from the interpreter.
  void runWith(int64_t size) {
    symbols.assign(model.symbols.size(), size);
    values.clear();
    Random random(uint64_t(size) + 17);
    SmallVector<reference::Tensor> inputs;
    for (uint32_t number : model.entries[0].inputs) {
      const artifact::Tensor &tensor = model.tensors[number];
      SmallVector<int64_t> shape;
      for (const artifact::DimExpr &dim : tensor.dims)
        shape.push_back(evaluate(dim));
      if (tensor.type != artifact::ElementType::F32)
        return complain("expected inputs of f32");
      std::vector<float> data;
      // A tenth of the columns is ten times larger, as activations have it.
      for (int64_t i = 0; i < reference::elementCount(shape); ++i)
        data.push_back(float(random.real(-2, 2) * (i % shape.back() % 10 == 3 ? 10 : 1)));
      inputs.push_back(reference::Tensor::ofFloats(shape, data));
    }
    for (auto [argument, tensor] : llvm::zip(func.getArguments(), inputs))
      values[argument] = tensor;
    reference::InterpretOptions options;
    options.threads = flags->hostThreads;
    options.observer = [&](Operation *op, unsigned result, const reference::Tensor &tensor) {
      if (op->getParentOp() == func)
        values[op->getResult(result)] = tensor;
    };
    if (failed(reference::interpret(func, inputs, options)))
      return complain("the interpreter failed");
    for (auto fused : func.getOps<kernel::FusedOp>())
      if (fused.getKind() != kernel::Template::Alias)
        runLaunch(fused, size);
  }

  int64_t evaluate(const artifact::DimExpr &expr) {
    int64_t value = 0;
    if (!expr.evaluate(symbols.data(), symbols.size(), value))
      complain("an expression cannot be evaluated");
    return value;
  }

  void runLaunch(kernel::FusedOp fused, int64_t size) {
    const artifact::Launch *launch = nullptr;
    for (const artifact::Launch &candidate : model.entries[0].launches)
      if (candidate.name == getName(fused))
        launch = &candidate;
    std::string where = ("m = " + Twine(size) + ", " + getName(fused)).str();
    if (!launch || launch->gpu.variants.empty())
      return complain(where + ": no GPU code: " + (launch ? launch->gpu.reason : "no launch"));
    int64_t m = evaluate(launch->gpu.m);
    Expected expected = expectedOf(fused);
    if (!expected.error.empty())
      return complain(where + ": " + expected.error);
    if (std::string wrong = compareInterpreter(fused, expected); !wrong.empty())
      return complain(where + ": the kernel's meaning is not the region's: " + wrong);
    bool any[artifact::gpuArchCount] = {};
    for (const artifact::GpuVariant &variant : launch->gpu.variants) {
      if (m < variant.mLo || (variant.mHi && m > variant.mHi))
        continue;
      const artifact::GpuKernel &kernel = model.gpuKernels[variant.kernel];
      any[unsigned(kernel.arch)] = true;
      std::string wrong = runVariant(fused, *launch, variant, kernel, expected);
      if (wrong.empty())
        ++passed;
      else
        complain(where + ", " + kernel.symbol + " (" + artifact::gpuArchName(kernel.arch) + "): " + wrong);
    }
    for (unsigned arch = 0; arch < artifact::gpuArchCount; ++arch)
      if (StringRef(flags->targets).contains(artifact::gpuArchName(artifact::GpuArch(arch))) && !any[arch])
        complain(where + ": no code of " + artifact::gpuArchName(artifact::GpuArch(arch)) + " serves this M");
  }

  //===--- What is right ----------------------------------------------------------===//

  struct Expected {
    reference::KernelOutputs outputs;
    std::string error;
  };

  /// Elements of a tensor as bits.
  static std::vector<uint64_t> bitsOf(const reference::Tensor &tensor) {
    std::vector<uint64_t> bits(tensor.getNumElements());
    int64_t bytes = reference::sizeOf(tensor.getElement());
    for (size_t i = 0; i < bits.size(); ++i)
      std::memcpy(&bits[i], static_cast<const uint8_t *>(tensor.bytes()) + int64_t(i) * bytes, size_t(bytes));
    return bits;
  }

  /// What `gpu_bindings` names: a value of the function, or a constant.
  reference::Tensor tensorOf(kernel::FusedOp fused, Attribute binding) {
    if (auto name = dyn_cast_or_null<StringAttr>(binding))
      if (auto data = getWeightStore(&context).lookup(name))
        return reference::fromWeight(*data);
    if (auto number = dyn_cast_or_null<IntegerAttr>(binding)) {
      Value value = fused.getInputs()[number.getInt()];
      if (values.count(value))
        return values[value];
      if (auto data = getConstant(value))
        return reference::fromWeight(*data);
    }
    return {};
  }

  /// The kernel's meaning on the interpreter's operands.
  Expected expectedOf(kernel::FusedOp fused) {
    Expected expected;
    Operation *op = SymbolTable::lookupSymbolIn(*kernels, fused->getAttrOfType<FlatSymbolRefAttr>(gpuKernelAttr));
    auto bindings = fused->getAttrOfType<DictionaryAttr>(gpuBindingsAttr);
    reference::KernelInputs inputs;
    inputs.m = evaluate(toDimExpr(fused->getAttrOfType<AffineMapAttr>(gpuMapAttr).getValue().getResult(0)));
    auto listed = [&](StringRef name, unsigned i) {
      auto list = bindings.getAs<ArrayAttr>(name);
      return list && i < list.size() ? tensorOf(fused, list[i]) : reference::Tensor();
    };
    auto numbers = [](const reference::Tensor &tensor) {
      std::vector<float> result;
      for (int64_t i = 0; tensor && i < tensor.getNumElements(); ++i)
        result.push_back(float(tensor.asDouble(i)));
      return result;
    };
    if (auto gemm = dyn_cast<kernel::GemmOp>(op)) {
      inputs.lhs = numbers(tensorOf(fused, bindings.get("lhs")));
      reference::KernelSegment segment;
      segment.codes = numbers(listed("rhs", 0));
      if (gemm.getSegment(0).getGrouping() == kernel::Grouping::TwoLevel)
        for (float &code : segment.codes)
          code = float(int(code) & 15);
      segment.scales = numbers(listed("group_scale", 0));
      for (float zero : numbers(listed("group_zero_point", 0)))
        segment.zeroPoints.push_back(int32_t(zero));
      inputs.segments.push_back(std::move(segment));
    }
    for (auto [i, attr] : llvm::enumerate(op->getAttrOfType<ArrayAttr>("operands")))
      inputs.operands.push_back({cast<kernel::OperandAttr>(attr).getType(), bitsOf(listed("operands", unsigned(i)))});
    auto outputs = isa<kernel::GemmOp>(op) ? reference::runKernelGemm(cast<kernel::GemmOp>(op), inputs)
                                           : reference::runKernelRows(cast<kernel::RowsOp>(op), inputs);
    if (failed(outputs))
      expected.error = "the kernel has no meaning on these operands";
    else
      expected.outputs = std::move(*outputs);
    return expected;
  }

  /// "" when element `e` of result `r` may be `found`.
  static bool isRight(const Expected &expected, size_t r, size_t e, uint64_t found) {
    const reference::KernelArray &array = expected.outputs.results[r];
    if (found == array.bits[e])
      return true;
    if (!isa<FloatType>(array.type))
      return false;
    float value = reference::toFloat(array.type, found), exact = reference::toFloat(array.type, array.bits[e]);
    if (expected.outputs.low.empty())
      return value != value && exact != exact;
    return reference::toFloat(array.type, expected.outputs.low[r].bits[e]) <= value &&
           value <= reference::toFloat(array.type, expected.outputs.high[r].bits[e]);
  }
  static std::string describe(const Expected &expected, size_t r, size_t e, uint64_t found) {
    const reference::KernelArray &array = expected.outputs.results[r];
    auto text = [&](uint64_t bits) {
      return isa<FloatType>(array.type) ? std::to_string(reference::toFloat(array.type, bits))
                                        : std::to_string(int32_t(bits));
    };
    std::string result = "result " + std::to_string(r) + ", element " + std::to_string(e) + ": expected " +
                         text(array.bits[e]) + ", found " + text(found);
    if (!expected.outputs.low.empty())
      result +=
          " (allowed " + text(expected.outputs.low[r].bits[e]) + " .. " + text(expected.outputs.high[r].bits[e]) + ")";
    return result;
  }

  std::string compareInterpreter(kernel::FusedOp fused, const Expected &expected) {
    for (auto [r, value] : llvm::enumerate(fused.getOutputs())) {
      std::vector<uint64_t> found = bitsOf(values[value]);
      if (r >= expected.outputs.results.size() || found.size() != expected.outputs.results[r].bits.size())
        return "other results";
      for (size_t e = 0; e < found.size(); ++e)
        if (!isRight(expected, r, e, found[e]))
          return describe(expected, r, e, found[e]);
    }
    return "";
  }

  //===--- What the GPU would do ------------------------------------------------------===//

  std::string runVariant(kernel::FusedOp fused, const artifact::Launch &launch, const artifact::GpuVariant &variant,
                         const artifact::GpuKernel &kernel, const Expected &expected) {
    auto function = codeOf(Arch(unsigned(kernel.arch))).lookupSymbol<LLVM::LLVMFuncOp>(kernel.symbol);
    if (!function)
      return "no such function";
    // Buffers: run-time operands in order, weights, results.
    std::deque<EmulatedBuffer> buffers(launch.buffers.size());
    SmallVector<Value> operands;
    for (Value input : fused.getInputs())
      if (values.count(input) && !(input.getDefiningOp() && getConstant(input)))
        operands.push_back(input);
    for (auto [i, value] : llvm::enumerate(operands))
      buffers[i].bytes = bytesOf(values[value]);
    size_t firstResult = launch.buffers.size() - fused.getNumResults();
    for (auto [i, value] : llvm::enumerate(fused.getOutputs())) {
      EmulatedBuffer &buffer = buffers[firstResult + i];
      buffer.bytes.assign(bytesOf(values[value]).size(), 0xa5);
      buffer.written.assign(buffer.bytes.size(), false);
    }
    EmulatedLaunch emulated;
    emulated.threads = kernel.threads;
    emulated.cluster = kernel.cluster;
    emulated.sharedBytes = kernel.sharedBytes;
    emulated.gridX = unsigned(evaluate(variant.gridX));
    emulated.gridY = unsigned(evaluate(variant.gridY));
    if (variant.persistent)
      emulated.gridX = std::min(emulated.gridX, llvm::alignTo(3, kernel.cluster));
    emulated.hostThreads = flags->hostThreads;
    std::deque<EmulatedBuffer> constants;
    for (const artifact::GpuArgument &a : variant.arguments) {
      EmulatedArgument argument;
      if (a.kind == artifact::GpuArgumentKind::Int32) {
        argument.number = int32_t(evaluate(a.value));
      } else if (a.kind == artifact::GpuArgumentKind::Buffer || a.kind == artifact::GpuArgumentKind::BufferMap) {
        argument.buffer = &buffers[a.index];
      } else {
        const artifact::Blob &bytes = model.weights[a.index].bytes;
        constants.emplace_back();
        constants.back().bytes =
            a.packing < 0 ? std::vector<uint8_t>(bytes.data(), bytes.data() + bytes.size())
                          : runtime::packWeight(model.packings[a.packing], a.order, a.signExtend, bytes.data());
        argument.buffer = &constants.back();
      }
      if (a.kind == artifact::GpuArgumentKind::BufferMap || a.kind == artifact::GpuArgumentKind::WeightMap) {
        argument.map.elementBits = a.map.elementBits;
        argument.map.rank = a.map.rank;
        argument.map.swizzle128 = a.map.swizzle128;
        argument.map.boxColumns = unsigned(evaluate(a.map.box[0]));
        argument.map.boxRows = unsigned(evaluate(a.map.box[1]));
        argument.map.boxBlocks = a.map.rank == 3 ? unsigned(evaluate(a.map.box[2])) : 0;
        for (const artifact::DimExpr &dim : a.map.dims)
          argument.dims.push_back(evaluate(dim));
        for (const artifact::DimExpr &stride : a.map.strideBytes)
          argument.strideBytes.push_back(evaluate(stride));
      }
      emulated.arguments.push_back(std::move(argument));
    }
    std::string said;
    ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) {
      said += (said.empty() ? "" : "; ") + diagnostic.str();
      return success();
    });
    if (failed(emulate(function, emulated)))
      return said;
    for (size_t r = 0; r < fused.getNumResults(); ++r) {
      const EmulatedBuffer &buffer = buffers[firstResult + r];
      unsigned size = expected.outputs.results[r].type.getIntOrFloatBitWidth() / 8;
      for (size_t e = 0; e * size < buffer.bytes.size(); ++e) {
        uint64_t found = 0;
        std::memcpy(&found, &buffer.bytes[e * size], size);
        for (unsigned b = 0; b < size; ++b)
          if (!buffer.written[e * size + b])
            return "result " + std::to_string(r) + ", element " + std::to_string(e) + " was not written";
        if (!isRight(expected, r, e, found))
          return describe(expected, r, e, found);
      }
    }
    return "";
  }

  static std::vector<uint8_t> bytesOf(const reference::Tensor &tensor) {
    const auto *data = static_cast<const uint8_t *>(tensor.bytes());
    return std::vector<uint8_t>(data, data + tensor.getNumBytes());
  }

  MLIRContext context;
  OwningOpRef<ModuleOp> module, kernels, codes[artifact::gpuArchCount];
  artifact::Model model;
  func::FuncOp func;
  std::vector<int64_t> symbols;
  llvm::DenseMap<Value, reference::Tensor> values;
  unsigned passed = 0, failedCount = 0;
};

} // namespace

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  cl::ResetCommandLineParser();
  Flags parsed;
  flags = &parsed;
  registerAllPassesAndPipelines();
  cl::ParseCommandLineOptions(argc, argv, "gpu-chain: a model's GPU kernels in the emulator against the interpreter\n");
  return Chain().run();
}
