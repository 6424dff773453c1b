//===- CalibrateValues.td - collects the statistics of every float value ---===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

include "mlir/Pass/PassBase.td"

def CalibrateValues : Pass<"calibrate-values", "::mlir::func::FuncOp"> {
  let summary = "Collects the statistics of every float value";
  let description = [{
    Runs the calibration data through the float graph and keeps, for each float32 value, extremes, a moving
    average, a histogram and (inputs of products) channel means; with `statistics-in` it reads them from a file
    instead. They are kept in the context, and written to `statistics-out` if given. Refuses: data that do not
    fit the inputs, an empty set, values that are not finite, statistics of another graph. The IR does not
    change.
  }];
  let dependentDialects = ["::bitwright::qnn::QnnDialect"];
  let options = [
    Option<"data", "data", "std::string", /*default=*/"", "an .npz file, an .npy file, or a folder of them">,
    Option<"statisticsIn", "statistics-in", "std::string", /*default=*/"", "read statistics from this file instead of running">,
    Option<"statisticsOut", "statistics-out", "std::string", /*default=*/"", "write the statistics to this file">,
    Option<"secondMoments", "second-moments", "bool", /*default=*/"false", "also the second moments of the inputs of products (weights.rounding: gptq)">,
    Option<"threads", "threads", "unsigned", /*default=*/"1", "threads of the interpreter">];
}
