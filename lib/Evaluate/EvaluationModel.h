//===- EvaluationModel.h - one compilation, many roundings ------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// The float graph compiled once in memory, whose activations can be put through quantize and dequantize with parameters
// chosen at run time, and whose weights can be replaced: hundreds of plans are tried without compiling again. What is
// computed is what the float kernels give on values that lie on the grids; accumulators are float32 here and integers
// in the quantized model, which differ by the float's rounding only.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_LIB_EVALUATE_EVALUATIONMODEL_H
#define BITWRIGHT_LIB_EVALUATE_EVALUATIONMODEL_H

#include "lib/Evaluate/InMemoryModel.h"
#include "lib/Statistics/CalibrationData.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"

namespace bitwright {

/// x -> (clamp(RNE(x / scale) + zeroPoint, low, high) - zeroPoint) * scale (INTEGER Q1, Q2).
struct ActivationGrid {
  float scale = 1;
  int32_t zeroPoint = 0, low = -128, high = 127;
};

/// One output of the network for one sample.
struct EvaluatedOutput {
  std::vector<int64_t> shape;
  std::vector<float> values; ///< integers are converted
};

class EvaluationModel {
public:
  /// Compiles a clone of `func`, a float graph. `activations`: names of the values that may be put on a grid; each is
  /// stored, so fusion stops there. Values that the compiled graph does not store are an error, or are put in
  /// `missing`.
  static llvm::Expected<std::unique_ptr<EvaluationModel>> create(mlir::func::FuncOp func,
                                                                 const llvm::StringSet<> &activations,
                                                                 unsigned threads = 1,
                                                                 llvm::StringSet<> *missing = nullptr);
  ~EvaluationModel();

  /// Grids by value name; values without one stay as they are. Unknown names are errors.
  llvm::Error setActivations(const llvm::StringMap<ActivationGrid> &grids);
  /// Replaces the weight of a linear layer or convolution by name; `values` in the order of the weight tensor.
  /// Error: an operation whose weight the compiled code does not hold as it is.
  llvm::Error setWeight(llvm::StringRef operation, const std::vector<float> &values);
  /// Back to the weights of the graph.
  llvm::Error restoreWeight(llvm::StringRef operation);
  bool hasWeight(llvm::StringRef operation) const { return weights.count(operation); }
  /// Replaces the bias of a linear layer or convolution (one value an output channel), also where the graph has none.
  llvm::Error setBias(llvm::StringRef operation, const std::vector<float> &values);
  bool hasBias(llvm::StringRef operation) const { return biases.count(operation); }
  /// The bias of the graph; zeros where it has none. Wants `hasBias`.
  const std::vector<float> &biasOf(llvm::StringRef operation) const { return biases.find(operation)->second.original; }

  llvm::Expected<std::vector<EvaluatedOutput>> run(const Sample &sample);
  /// In the order of `run`.
  std::vector<std::string> outputNames() const;
  /// Runs with the present weights and without grids, and shows each of `activations` in row-major order under the name
  /// that it is stored by; inputs of the graph are not shown.
  using CaptureFn =
      llvm::function_ref<void(llvm::StringRef storedAs, llvm::ArrayRef<int64_t> shape, llvm::ArrayRef<float> values)>;
  llvm::Error capture(const Sample &sample, CaptureFn show);
  /// The name under which a value of `activations` is stored: its own, or that of the value whose memory it shares.
  llvm::StringRef storedName(llvm::StringRef value) const;

private:
  EvaluationModel() = default;
  struct WeightSlot {
    size_t index = 0; ///< number of the constant in the model
    std::function<std::vector<uint8_t>(const std::vector<float> &)> pack;
    std::vector<float> original;
  };
  struct Buffers {
    std::vector<bw_tensor> inputs, outputs;
    std::vector<std::vector<uint8_t>> bytes;
  };
  llvm::Expected<Buffers> buffersFor(const Sample &sample);
  llvm::Error replace(llvm::StringMap<WeightSlot> &slots, llvm::StringRef what, llvm::StringRef operation,
                      const std::vector<float> &values);
  void findWeights(mlir::func::FuncOp func);
  /// Finds the biases that were compiled as markers. False: some are not there (they leave `marked`).
  bool findBiases(mlir::func::FuncOp func, llvm::StringSet<> &marked);

  std::unique_ptr<InMemoryModel> model;
  bw_session *session = nullptr;
  llvm::StringMap<WeightSlot> weights, biases;
  /// Value name -> names that the compiled model stores it under, and the other way round.
  llvm::StringMap<std::string> storedAs;
  llvm::StringMap<ActivationGrid> active; ///< by stored name
};

} // namespace bitwright

#endif
