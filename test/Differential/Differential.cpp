//===- Differential.cpp - compiled code against the interpreter ------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// Every tensor that a launch stores is compared with the interpreter's value of the same name, bit for bit, on every
// instruction set level of the host. Graphs come from seeds (random) or from an .mlir file as `--compile-to=integerize`
// writes it, with inputs from an .npz. A random graph that fails is shrunk by leaving out steps and saved.
//
//===----------------------------------------------------------------------===//

#include "dialects/Qnn/Qnn.h"
#include "lib/Evaluate/InMemoryModel.h"
#include "lib/Formats/Npy.h"
#include "lib/Reference/Interpreter.h"
#include "lib/Weights/WeightFiles.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"
#include "passes/Pipelines/Pipelines.h"
#include "test/Differential/RandomGraph.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/Path.h"
#include <random>

using namespace mlir;
using namespace bitwright;
namespace cl = llvm::cl;

static cl::opt<unsigned> graphs("graphs", cl::desc("Number of random graphs"), cl::init(0));
static cl::opt<uint64_t> firstSeed("seed", cl::desc("Seed of the first random graph"), cl::init(1));
static cl::opt<unsigned> maxSteps("steps", cl::desc("Largest number of steps of a random graph"), cl::init(7));
static cl::opt<std::string> modelPath("model", cl::desc("Integerized model (.mlir)"));
static cl::opt<std::string>
    inputsPath("inputs", cl::desc("Inputs of the model (.npz); random codes or floats in [-1, 1) without"));
static cl::list<std::string> dims("dim", cl::desc("NAME=VALUE: symbol values for random inputs (default: smallest)"));
static cl::opt<std::string> saveFolder("save", cl::desc("Folder for failing graphs"), cl::init("."));
static cl::opt<bool> verbose("verbose", cl::desc("Name each graph"), cl::init(false));
static cl::opt<unsigned> threads("run-threads", cl::desc("Threads of the compiled side"), cl::init(2));

namespace {

/// What one comparison found: "" when everything agrees.
struct Outcome {
  std::string difference;
  unsigned compared = 0;
};

using reference::Element;
using reference::Tensor;

bw_dtype dtypeOf(Element element) {
  switch (element) {
  case Element::F32:
    return BW_F32;
  case Element::F16:
    return BW_F16;
  case Element::BF16:
    return BW_BF16;
  case Element::Bool:
    return BW_BOOL;
  case Element::U8:
    return BW_U8;
  case Element::S16:
    return BW_S16;
  case Element::S32:
    return BW_S32;
  case Element::S64:
    return BW_S64;
  default:
    return BW_S8;
  }
}

/// Instruction set levels that this host runs.
std::vector<std::string> hostLevels() {
  std::vector<std::string> levels = {"avx2"};
  if (StringRef(bw_host_isa()) != "avx2")
    levels.push_back("avx512vnni");
  return levels;
}

Outcome compare(func::FuncOp func, ArrayRef<Tensor> inputs) {
  Outcome outcome;
  llvm::StringMap<Tensor> expected;
  reference::InterpretOptions options;
  options.threads = 2;
  options.observer = [&](Operation *op, unsigned result, const Tensor &tensor) {
    expected[getValueName(op->getResult(result))] = tensor;
  };
  auto results = reference::interpret(func, inputs, options);
  if (failed(results)) {
    outcome.difference = "the interpreter failed";
    return outcome;
  }
  for (auto [index, tensor] : llvm::enumerate(*results))
    if (auto name = func.getResultAttrOfType<StringAttr>(index, "qnn.name"))
      expected[name] = tensor;
  for (BlockArgument argument : func.getArguments())
    expected[getValueName(argument)] = inputs[argument.getArgNumber()];

  OwningOpRef<ModuleOp> module = ModuleOp::create(func.getLoc());
  OpBuilder::atBlockEnd(module->getBody()).clone(*func);
  auto model = InMemoryModel::compile(std::move(module));
  if (!model) {
    outcome.difference = "compilation failed: " + llvm::toString(model.takeError());
    return outcome;
  }
  for (const std::string &level : hostLevels())
    for (unsigned threadCount : {1u, unsigned(threads)}) {
      bw_session *session = nullptr;
      bw_session_options sessionOptions = {threadCount, level.c_str(), 0, nullptr, 0};
      if (bw_session_create((*model)->get(), &sessionOptions, &session) != BW_OK) {
        outcome.difference = bw_last_error();
        return outcome;
      }
      std::vector<bw_tensor> ins, outs(results->size());
      for (const Tensor &input : inputs) {
        bw_tensor tensor = {};
        tensor.dtype = dtypeOf(input.getElement());
        tensor.rank = input.getRank();
        llvm::copy(input.getShape(), tensor.dims);
        tensor.data = const_cast<void *>(input.bytes());
        tensor.bytes = input.getNumBytes();
        ins.push_back(tensor);
      }
      std::vector<std::vector<uint8_t>> buffers;
      bool ok = bw_output_shapes(session, 0, ins.data(), ins.size(), outs.data(), outs.size()) == BW_OK;
      for (bw_tensor &out : outs) {
        buffers.emplace_back(out.bytes, 0xa5);
        out.data = buffers.back().data();
      }
      struct Context {
        llvm::StringMap<Tensor> &expected;
        Outcome &outcome;
        std::string where;
      } context = {expected, outcome, level + ", " + std::to_string(threadCount) + " threads"};
      auto check = [](const bw_captured *value, void *user) {
        auto &context = *static_cast<Context *>(user);
        // A copy into another layout holds the value it was made from; "#1" tells tensors of one name apart.
        StringRef name = StringRef(value->name).split("/layout").first.split('#').first;
        auto it = context.expected.find(name);
        if (it == context.expected.end()) {
          context.outcome.difference = ("the interpreter has no value named '" + name + "'").str();
          return 1;
        }
        const Tensor &tensor = it->second;
        std::string at = (" in '" + name + "' (launch " + value->launch + ", " + context.where + ")").str();
        if (uint64_t(tensor.getNumBytes()) != value->bytes) {
          context.outcome.difference =
              "expected " + tensor.describe() + ", found " + std::to_string(value->bytes) + " bytes" + at;
          return 1;
        }
        ++context.outcome.compared;
        size_t width = reference::sizeOf(tensor.getElement());
        auto *a = static_cast<const uint8_t *>(tensor.bytes()), *b = static_cast<const uint8_t *>(value->data);
        for (int64_t i = 0; i < tensor.getNumElements(); ++i)
          if (memcmp(a + i * width, b + i * width, width) != 0) {
            Tensor found(tensor.getElement(), tensor.getShape(), b, nullptr);
            if (reference::isFloat(tensor.getElement()) && std::isnan(tensor.asDouble(i)) &&
                std::isnan(found.asDouble(i)))
              continue;
            llvm::raw_string_ostream(context.outcome.difference)
                << "element " << i << " of " << tensor.describe() << ": expected "
                << llvm::format("%.9g", tensor.asDouble(i)) << ", found " << llvm::format("%.9g", found.asDouble(i))
                << at;
            return 1;
          }
        return 0;
      };
      if (!ok || bw_run_capture(session, 0, ins.data(), ins.size(), outs.data(), outs.size(), check, &context) != BW_OK)
        outcome.difference = bw_last_error();
      bw_session_destroy(session);
      if (!outcome.difference.empty())
        return outcome;
    }
  return outcome;
}

/// Random inputs for the given symbol values.
SmallVector<Tensor> randomInputs(func::FuncOp func, ArrayRef<int64_t> symbolValues, uint64_t seed) {
  std::mt19937_64 random(seed);
  SmallVector<Tensor> inputs;
  for (BlockArgument argument : func.getArguments()) {
    auto type = cast<RankedTensorType>(argument.getType());
    reference::Shape shape(type.getShape());
    if (auto map = func.getArgAttrOfType<AffineMapAttr>(argument.getArgNumber(), "qnn.dims"))
      for (unsigned i = 0; i < shape.size(); ++i)
        shape[i] = evaluate(map.getValue().getResult(i), symbolValues);
    Tensor tensor(*reference::elementOf(type.getElementType()), shape);
    for (int64_t i = 0; i < tensor.getNumElements(); ++i)
      if (tensor.getElement() == Element::F32)
        tensor.mutableData<float>()[i] = float(int64_t(random() % 8192) - 4096) / 4096;
      else if (reference::sizeOf(tensor.getElement()) == 1)
        tensor.mutableData<uint8_t>()[i] = tensor.getElement() == Element::Bool ? random() % 2 : random();
      else if (tensor.getElement() == Element::S16)
        tensor.mutableData<int16_t>()[i] = int16_t(random());
    inputs.push_back(tensor);
  }
  return inputs;
}

Outcome runRandom(uint64_t seed, unsigned steps, ArrayRef<unsigned> skip, const DialectRegistry &registry,
                  std::string *text) {
  MLIRContext context(registry);
  OwningOpRef<ModuleOp> module = makeRandomGraph(seed, steps, skip, &context);
  auto func = *module->getOps<func::FuncOp>().begin();
  if (text)
    llvm::raw_string_ostream(*text) << *module;
  Outcome outcome;
  if (failed(verify(*module))) {
    outcome.difference = "the generator made IR that does not verify";
    return outcome;
  }
  // The largest and the smallest dimensions.
  for (bool largest : {true, false}) {
    SmallVector<int64_t> values;
    for (const DimSymbol &symbol : getSymbols(func))
      values.push_back(largest ? symbol.max : symbol.min);
    Outcome one = compare(func, randomInputs(func, values, seed));
    outcome.compared += one.compared;
    outcome.difference = one.difference;
    if (!outcome.difference.empty())
      break;
  }
  return outcome;
}

int runGraphs(const DialectRegistry &registry) {
  unsigned passed = 0, failures = 0;
  for (uint64_t seed = firstSeed; seed < firstSeed + graphs; ++seed) {
    unsigned steps = 1 + seed % maxSteps;
    if (verbose)
      llvm::errs() << "seed " << seed << "\n";
    Outcome outcome = runRandom(seed, steps, {}, registry, nullptr);
    if (outcome.difference.empty()) {
      ++passed;
      continue;
    }
    ++failures;
    // Leave out steps as long as the failure stays.
    SmallVector<unsigned> skip;
    for (int i = steps - 1; i >= 0; --i) {
      skip.push_back(i);
      if (runRandom(seed, steps, skip, registry, nullptr).difference.empty())
        skip.pop_back();
    }
    std::string text;
    Outcome smallest = runRandom(seed, steps, skip, registry, &text);
    std::string path = saveFolder + "/differential-" + std::to_string(seed) + ".mlir";
    std::error_code status;
    llvm::raw_fd_ostream file(path, status);
    file << text;
    llvm::errs() << "seed " << seed << ": " << smallest.difference << "; shrunk to " << steps - skip.size()
                 << " steps, saved as " << path << "\n";
  }
  llvm::outs() << "differential: " << passed << " passed, " << failures << " failed\n";
  return failures != 0;
}

int runModel(const DialectRegistry &registry) {
  MLIRContext context(registry);
  context.loadAllAvailableDialects();
  auto module = parseSourceFile<ModuleOp>(modelPath, &context);
  if (!module)
    return 1;
  if (llvm::Error error = loadWeightFiles(*module, llvm::sys::path::parent_path(modelPath))) {
    llvm::errs() << llvm::toString(std::move(error)) << "\n";
    return 1;
  }
  auto func = *module->getOps<func::FuncOp>().begin();
  SmallVector<int64_t> values;
  for (const DimSymbol &symbol : getSymbols(func)) {
    values.push_back(symbol.min);
    for (StringRef text : dims) {
      auto [name, number] = text.split('=');
      if (name == symbol.name && number.getAsInteger(10, values.back())) {
        llvm::errs() << "--dim: expected NAME=VALUE, found '" << text << "'\n";
        return 2;
      }
    }
  }
  SmallVector<Tensor> inputs = randomInputs(func, values, firstSeed);
  if (!inputsPath.empty()) {
    std::string error;
    auto file = formats::NpzFile::open(inputsPath, error);
    for (BlockArgument argument : func.getArguments()) {
      formats::NpyArray array;
      size_t index = file ? file->find(getValueName(argument)) : 0;
      if (!file || index == file->size() || !file->read(index, array, error)) {
        llvm::errs() << inputsPath << ": " << (error.empty() ? "no array named " + getValueName(argument) : error)
                     << "\n";
        return 1;
      }
      Tensor tensor(*reference::elementOf(cast<RankedTensorType>(argument.getType()).getElementType()), array.shape);
      memcpy(tensor.mutableData<uint8_t>(), array.data.data(), array.data.size());
      inputs[argument.getArgNumber()] = tensor;
    }
  }
  Outcome outcome = compare(func, inputs);
  if (!outcome.difference.empty())
    llvm::errs() << modelPath << ": " << outcome.difference << "\n";
  llvm::outs() << "differential: " << outcome.compared << " passed, " << !outcome.difference.empty() << " failed\n";
  return !outcome.difference.empty();
}

} // namespace

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  cl::ParseCommandLineOptions(argc, argv, "Compares compiled code with the interpreter\n");
  DialectRegistry registry;
  registerAllDialects(registry);
  registerAllPassesAndPipelines();
  return modelPath.empty() ? runGraphs(registry) : runModel(registry);
}
