//===- LoadWeights.td - weights from the files that a module names -------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

include "mlir/Pass/PassBase.td"

def LoadWeights : Pass<"load-weights", "::mlir::ModuleOp"> {
  let summary = "Maps the safetensors files of `qnn.weight_files` into the weight store";
  let description = [{
    What `quant-import` and `save-weights` write beside the IR. Relative names are taken from `folder`, by default the folder of the IR file itself.
    First in a pipeline on IR whose weights are not literals:
    ```
    quant-opt recogniser.mlir --load-weights --stage-simplify --save-weights=file=simple.safetensors -o simple.mlir
    ```
    Refused with an error: a file that is missing or malformed, or an attribute that is no list of names.
  }];
  let options = [Option<"folder", "folder", "std::string", /*default=*/"", "folder of the files (default: that of the IR file)">];
  let dependentDialects = ["::bitwright::qnn::QnnDialect"];
}
