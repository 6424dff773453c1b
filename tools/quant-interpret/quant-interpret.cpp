//===- quant-interpret.cpp - runs IR in the reference interpreter ----------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// quant-interpret IN.mlir [--function NAME] [--inputs IN.npz] [--input NAME=F.npy]... [--outputs OUT.npz] [--weights
// F.safetensors]
//                 [--print] [--trace] [--limit N] [--interpret-threads N]
//
// Functions and exec programs (whose launches kept their bodies) run. Without --function: every one without inputs, or
// the only one there is. Results are printed as
// `@function#i TYPE[SHAPE] = elements` unless --outputs is given. Exit status: 0 done, 1 the input is wrong, 2 wrong
// usage.
//
//===----------------------------------------------------------------------===//

#include "dialects/Dyadic/Dyadic.h"
#include "dialects/Exec/Exec.h"
#include "dialects/Kernel/Kernel.h"
#include "dialects/Qnn/Qnn.h"
#include "lib/Formats/Npy.h"
#include "lib/Reference/Interpreter.h"
#include "lib/Weights/WeightFiles.h"

#include "mlir/IR/AsmState.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/Parser/Parser.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/SourceMgr.h"

using namespace mlir;
using namespace bitwright;
using namespace bitwright::reference;
namespace cl = llvm::cl;

static cl::OptionCategory category("quant-interpret options");
static cl::opt<std::string> inputFile(cl::Positional, cl::desc("IN.mlir"), cl::init("-"), cl::cat(category));
static cl::opt<std::string> functionName("function", cl::desc("The function to run"), cl::cat(category));
static cl::opt<std::string> inputsFile("inputs", cl::desc("Inputs by name"), cl::value_desc("IN.npz"),
                                       cl::cat(category));
static cl::list<std::string> inputFiles("input", cl::desc("One input"), cl::value_desc("NAME=F.npy"),
                                        cl::cat(category));
static cl::opt<std::string> outputsFile("outputs", cl::desc("Write the results, by name"), cl::value_desc("OUT.npz"),
                                        cl::cat(category));
static cl::list<std::string> weightFiles("weights", cl::desc("Tensors that qnn.weight names"),
                                         cl::value_desc("F.safetensors"), cl::cat(category));
static cl::opt<bool> printResults("print", cl::desc("Print the results (the default without --outputs)"),
                                  cl::cat(category));
static cl::opt<bool> trace("trace", cl::desc("Print the result of every operation"), cl::cat(category));
static cl::opt<int64_t> limit("limit", cl::desc("Elements to print of each tensor"), cl::init(64), cl::cat(category));
static cl::opt<unsigned> threads("interpret-threads", cl::desc("Threads for products"), cl::init(1), cl::cat(category));

static LogicalResult fail(const Twine &message) {
  llvm::errs() << "quant-interpret: error: " << message << '\n';
  return failure();
}

static std::optional<Element> elementOfArray(const formats::NpyArray &array) {
  switch (array.kind) {
  case 'f':
    return array.itemSize == 4   ? std::optional(Element::F32)
           : array.itemSize == 2 ? std::optional(Element::F16)
                                 : std::nullopt;
  case 'V':
    return array.itemSize == 2 ? std::optional(Element::BF16) : std::nullopt;
  case 'b':
    return Element::Bool;
  case 'u':
    return array.itemSize == 1   ? std::optional(Element::U8)
           : array.itemSize == 2 ? std::optional(Element::U16)
                                 : std::nullopt;
  case 'i':
    switch (array.itemSize) {
    case 1:
      return Element::S8;
    case 2:
      return Element::S16;
    case 4:
      return Element::S32;
    case 8:
      return Element::S64;
    }
  }
  return std::nullopt;
}

static formats::NpyArray toArray(const Tensor &tensor) {
  formats::NpyArray array;
  Element element = tensor.getElement();
  array.itemSize = unsigned(sizeOf(element));
  array.kind = element == Element::BF16                            ? 'V'
               : isFloat(element)                                  ? 'f'
               : element == Element::Bool                          ? 'b'
               : element == Element::U8 || element == Element::U16 ? 'u'
                                                                   : 'i';
  array.shape.assign(tensor.getShape().begin(), tensor.getShape().end());
  array.data.assign(tensor.data<uint8_t>(), tensor.data<uint8_t>() + tensor.getNumBytes());
  return array;
}

static std::string resultName(func::FuncOp func, unsigned i) {
  if (auto name = func.getResultAttrOfType<StringAttr>(i, "qnn.name"))
    return name.str();
  return "result" + std::to_string(i);
}
static std::string argumentName(func::FuncOp func, unsigned i) {
  if (auto name = func.getArgAttrOfType<StringAttr>(i, "qnn.name"))
    return name.str();
  return "arg" + std::to_string(i);
}

static LogicalResult readInputs(std::vector<formats::NamedArray> &arrays) {
  std::string error;
  if (!inputsFile.empty() && !formats::readNpz(inputsFile, arrays, error))
    return fail(error);
  for (StringRef argument : inputFiles) {
    auto [name, path] = argument.split('=');
    if (path.empty())
      return fail("--input: expected NAME=F.npy, found " + argument);
    formats::NamedArray array{name.str(), {}};
    if (!formats::readNpy(path.str(), array.array, error))
      return fail(error);
    arrays.push_back(std::move(array));
  }
  return success();
}

namespace {
/// A function or an exec program: what both need to run.
struct Runnable {
  std::string name;
  std::vector<std::string> inputs, outputs;
  std::function<FailureOr<SmallVector<Tensor>>(ArrayRef<Tensor>, const InterpretOptions &)> run;
};
} // namespace

static Runnable runnableOf(func::FuncOp func) {
  Runnable runnable{func.getName().str(), {}, {}, [func](ArrayRef<Tensor> inputs, const InterpretOptions &options) {
                      return interpret(func, inputs, options);
                    }};
  for (unsigned i = 0; i < func.getNumArguments(); ++i)
    runnable.inputs.push_back(argumentName(func, i));
  for (unsigned i = 0; i < func.getNumResults(); ++i)
    runnable.outputs.push_back(resultName(func, i));
  return runnable;
}

static Runnable runnableOf(exec::ProgramOp program) {
  Runnable runnable{
      program.getSymName().str(), {}, {}, [program](ArrayRef<Tensor> inputs, const InterpretOptions &options) {
        return interpretProgram(program, inputs, options);
      }};
  for (auto interface : program.getBody().getOps<exec::InterfaceOp>()) {
    for (auto name : interface.getInputs().getAsRange<StringAttr>())
      runnable.inputs.push_back(name.str());
    for (auto name : interface.getOutputs().getAsRange<StringAttr>())
      runnable.outputs.push_back(name.str());
  }
  return runnable;
}

static LogicalResult collectInputs(const Runnable &runnable, const std::vector<formats::NamedArray> &arrays,
                                   SmallVector<Tensor> &inputs) {
  for (const std::string &name : runnable.inputs) {
    auto it = llvm::find_if(arrays, [&](const formats::NamedArray &array) { return array.name == name; });
    if (it == arrays.end())
      return fail("input '" + name + "' of @" + runnable.name + " is missing: give it with --inputs or --input " +
                  name + "=F.npy");
    std::optional<Element> element = elementOfArray(it->array);
    if (!element)
      return fail("input '" + name + "': elements of type " + it->array.typeText() + " are not supported");
    Tensor tensor(*element, ArrayRef<int64_t>(it->array.shape));
    llvm::copy(it->array.data, tensor.mutableData<uint8_t>());
    inputs.push_back(tensor);
  }
  return success();
}

static LogicalResult run(const Runnable &runnable, const std::vector<formats::NamedArray> &arrays) {
  SmallVector<Tensor> inputs;
  if (failed(collectInputs(runnable, arrays, inputs)))
    return failure();
  InterpretOptions options;
  options.threads = threads;
  if (trace)
    options.observer = [](Operation *op, unsigned i, const Tensor &tensor) {
      llvm::outs() << "  " << op->getName() << ' ' << getValueName(op->getResult(i)) << ' ';
      tensor.print(llvm::outs(), limit);
      llvm::outs() << '\n';
    };
  FailureOr<SmallVector<Tensor>> results = runnable.run(inputs, options);
  if (failed(results))
    return failure();
  if (printResults || outputsFile.empty())
    for (auto [i, tensor] : llvm::enumerate(*results)) {
      llvm::outs() << '@' << runnable.name << '#' << i << ' ';
      tensor.print(llvm::outs(), limit);
      llvm::outs() << '\n';
    }
  if (outputsFile.empty())
    return success();
  std::vector<formats::NamedArray> out;
  for (auto [name, tensor] : llvm::zip(runnable.outputs, *results))
    out.push_back({name, toArray(tensor)});
  std::string error;
  return formats::writeNpz(outputsFile, out, error) ? success() : fail(error);
}

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  cl::HideUnrelatedOptions(category);
  if (!cl::ParseCommandLineOptions(argc, argv, "Runs IR in the reference interpreter\n", &llvm::errs()))
    return 2;

  DialectRegistry registry;
  registry
      .insert<func::FuncDialect, qnn::QnnDialect, dyadic::DyadicDialect, kernel::KernelDialect, exec::ExecDialect>();
  MLIRContext context(registry);
  llvm::SourceMgr sources;
  auto file = llvm::MemoryBuffer::getFileOrSTDIN(inputFile);
  if (!file) {
    (void)fail("cannot read " + inputFile + ": " + file.getError().message());
    return 1;
  }
  sources.AddNewSourceBuffer(std::move(*file), llvm::SMLoc());
  SourceMgrDiagnosticHandler handler(sources, &context);
  for (const std::string &path : weightFiles)
    if (llvm::Error error = getWeightStore(&context).load(path, &context)) {
      (void)fail(llvm::toString(std::move(error)));
      return 1;
    }
  OwningOpRef<ModuleOp> module = parseSourceFile<ModuleOp>(sources, &context);
  if (!module)
    return 1;
  // What the module itself names lies beside it; --weights adds to that, or stands in for a file that has moved.
  if (weightFiles.empty())
    if (llvm::Error error = loadWeightFiles(*module, llvm::sys::path::parent_path(inputFile))) {
      (void)fail(llvm::toString(std::move(error)));
      return 1;
    }

  std::vector<Runnable> all, selected;
  for (auto func : module->getOps<func::FuncOp>())
    all.push_back(runnableOf(func));
  for (auto program : module->getOps<exec::ProgramOp>())
    all.push_back(runnableOf(program));
  if (!functionName.empty()) {
    llvm::copy_if(all, std::back_inserter(selected), [](const Runnable &r) { return r.name == functionName; });
    if (selected.empty()) {
      (void)fail("there is no function @" + functionName);
      return 1;
    }
  } else if (all.size() == 1) {
    selected = all;
  } else {
    llvm::copy_if(all, std::back_inserter(selected), [](const Runnable &r) { return r.inputs.empty(); });
  }
  if (selected.empty()) {
    (void)fail("no function runs without inputs: choose one with --function");
    return 1;
  }
  if (!outputsFile.empty() && selected.size() != 1) {
    (void)fail("--outputs: expected one function, found " + Twine(selected.size()) + ": choose one with --function");
    return 2;
  }
  std::vector<formats::NamedArray> arrays;
  if (failed(readInputs(arrays)))
    return 1;
  int status = 0;
  for (const Runnable &runnable : selected)
    if (failed(run(runnable, arrays)))
      status = 1;
  return status;
}
