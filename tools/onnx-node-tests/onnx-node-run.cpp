//===- onnx-node-run.cpp - imports and interprets many small models -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// onnx-node-run < LIST: each line MODEL.onnx TAB INPUTS.npz TAB OUTPUTS.npz. For each line one line of standard output:
// `MODEL.onnx TAB ok`, `... TAB import TAB MESSAGE` or `... TAB run TAB MESSAGE`. Outputs are written by position: "0",
// "1". The ONNX node tests (test/Reference/onnx_node.py) are thousands of models; a process for each would cost
// minutes.
//
//===----------------------------------------------------------------------===//

#include "lib/Formats/Npy.h"
#include "lib/ImportOnnx/ImportOnnx.h"
#include "lib/Reference/Interpreter.h"
#include "llvm/Support/InitLLVM.h"
#include <iostream>

using namespace mlir;
using namespace bitwright;
using namespace bitwright::reference;

static std::optional<Element> elementOf(const formats::NpyArray &array) {
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
  bool isUnsigned = element == Element::U8 || element == Element::U16;
  array.kind = element == Element::BF16   ? 'V'
               : isFloat(element)         ? 'f'
               : element == Element::Bool ? 'b'
               : isUnsigned               ? 'u'
                                          : 'i';
  array.shape.assign(tensor.getShape().begin(), tensor.getShape().end());
  array.data.assign(tensor.data<uint8_t>(), tensor.data<uint8_t>() + tensor.getNumBytes());
  return array;
}

/// "" or "import TAB message" or "run TAB message".
static std::string runCase(StringRef model, StringRef inputs, StringRef outputs) {
  MLIRContext context(MLIRContext::Threading::DISABLED);
  std::string messages;
  context.getDiagEngine().registerHandler([&](Diagnostic &diagnostic) {
    messages += (messages.empty() ? "" : " | ") + diagnostic.str();
    return success();
  });
  auto module = importOnnx(model, &context);
  if (failed(module))
    return "import\t" + messages;
  std::vector<formats::NamedArray> arrays, results;
  std::string error;
  if (!formats::readNpz(inputs.str(), arrays, error))
    return "run\t" + error;
  auto func = (*module)->lookupSymbol<func::FuncOp>("main");
  SmallVector<Tensor> arguments;
  for (unsigned i = 0; i < func.getNumArguments(); ++i) {
    auto name = func.getArgAttrOfType<StringAttr>(i, "qnn.name");
    auto it = llvm::find_if(arrays, [&](const formats::NamedArray &array) { return array.name == name.getValue(); });
    auto element = it == arrays.end() ? std::nullopt : elementOf(it->array);
    if (!element)
      return "run\tno usable input '" + name.str() + "'";
    // Four-bit codes come, and are held, one a byte.
    if (cast<RankedTensorType>(func.getArgument(i).getType()).getElementType().isInteger(4))
      element = Element::S4;
    auto owner = std::make_shared<std::vector<uint8_t>>(it->array.data);
    owner->reserve(1); // an input without elements still has an address
    arguments.emplace_back(*element, ArrayRef<int64_t>(it->array.shape), owner->data(), owner);
  }
  auto tensors = interpret(func, arguments);
  if (failed(tensors))
    return "run\t" + messages;
  for (auto [i, tensor] : llvm::enumerate(*tensors))
    results.push_back({std::to_string(i), toArray(tensor)});
  return formats::writeNpz(outputs.str(), results, error) ? "" : "run\t" + error;
}

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  for (std::string line; std::getline(std::cin, line);) {
    auto [model, rest] = StringRef(line).split('\t');
    auto [inputs, outputs] = rest.split('\t');
    std::string problem = runCase(model, inputs, outputs);
    for (char &character : problem)
      if (character == '\n')
        character = ' ';
    std::cout << model.str() << '\t' << (problem.empty() ? "ok" : problem) << std::endl;
  }
  return 0;
}
