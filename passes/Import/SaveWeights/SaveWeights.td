//===- SaveWeights.td - the weights of a module into a file --------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

include "mlir/Pass/PassBase.td"

def SaveWeights : Pass<"save-weights", "::mlir::ModuleOp"> {
  let summary = "Writes the weights that the module uses to a safetensors file";
  let description = [{
    Every tensor of the weight store that a `qnn.weight` names is written to `file`, under a temporary name first, and the module attribute `qnn.weight_files`
    names the file. Write the IR into the same folder, so that `load-weights` finds it. Refused with an error: a file that cannot be written, a weight that
    is not in the store.
  }];
  let options = [Option<"file", "file", "std::string", /*default=*/"", "the safetensors file to write">];
  let dependentDialects = ["::bitwright::qnn::QnnDialect"];
}
