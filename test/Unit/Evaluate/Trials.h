//===- Trials.h - networks with schemes, samples and trials for tests -------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
#ifndef BITWRIGHT_TEST_UNIT_EVALUATE_TRIALS_H
#define BITWRIGHT_TEST_UNIT_EVALUATE_TRIALS_H

#include "Networks.h"
#include "lib/Evaluate/Sensitivity.h"
#include "passes/Quantize/QuantizableOps.h"
#include "llvm/Support/FileSystem.h"
#include <cmath>
#include <fstream>

namespace bitwright {

inline void expectMessage(llvm::Error error, llvm::StringRef part) {
  ASSERT_TRUE(bool(error));
  std::string text = llvm::toString(std::move(error));
  EXPECT_NE(text.find(part.str()), std::string::npos) << text;
}

/// A folder for samples and files, and what quant-compile does between assign-schemes and the solver.
class TrialNetworks : public Networks {
protected:
  TrialNetworks() {
    llvm::SmallString<128> name;
    EXPECT_FALSE(llvm::sys::fs::createUniqueDirectory("bitwright-trials", name));
    folder = name.str().str();
  }
  ~TrialNetworks() override { llvm::sys::fs::remove_directories(folder); }

  static mlir::Operation *find(mlir::func::FuncOp func, llvm::StringRef name) {
    mlir::Operation *found = nullptr;
    func.walk([&](mlir::Operation *op) {
      if (getName(op) == name)
        found = op;
    });
    return found;
  }
  /// Layers whose weight has 8 bits, a scale a channel; `integer`: ... and whose activations are codes too.
  mlir::func::FuncOp withSchemes(const std::string &text, std::vector<std::string> layers = {"conv", "dw", "last"},
                                 bool integer = false) {
    mlir::func::FuncOp func = parse(text);
    for (const std::string &layer : layers) {
      mlir::Operation *op = find(func, layer);
      op->setAttr(weightSchemeAttr, qnn::SchemeAttr::get(&context, "s8", 0));
      op->setAttr(weightClipAttr, mlir::StringAttr::get(&context, "absmax"));
    }
    if (!integer)
      return func;
    auto s8 = qnn::SchemeAttr::get(&context, "s8");
    auto range = mlir::DenseF64ArrayAttr::get(&context, {-8.0, 8.0});
    func.walk([&](mlir::Operation *op) {
      if (op->getNumResults() == 1 && !getName(op).empty() && classify(op) != OpClass::Other) {
        op->setAttr(activationSchemeAttr, s8);
        op->setAttr(rangeAttr, range);
      }
    });
    for (unsigned i = 0; i < func.getNumArguments(); ++i) {
      func.setArgAttr(i, activationSchemeAttr, s8);
      func.setArgAttr(i, rangeAttr, range);
    }
    return func;
  }
  std::unique_ptr<CalibrationData> data(mlir::func::FuncOp func, const std::vector<Sample> &samples) {
    std::string place = folder + "/data";
    llvm::sys::fs::remove_directories(place);
    EXPECT_FALSE(llvm::sys::fs::create_directory(place));
    for (size_t i = 0; i < samples.size(); ++i) {
      std::string error;
      EXPECT_TRUE(formats::writeNpz(place + "/" + std::to_string(i) + ".npz", {{"x", samples[i].inputs[0]}}, error))
          << error;
    }
    auto result = CalibrationData::open(place, func);
    if (!result) {
      ADD_FAILURE() << llvm::toString(result.takeError());
      return nullptr;
    }
    return std::move(*result);
  }
  /// Sets `units` and `trials`.
  llvm::Error prepare(mlir::func::FuncOp func, const std::vector<Sample> &samples) {
    trials.reset();
    units = AllocationUnits::compute(func, choices);
    auto d = data(func, samples);
    auto created = PlanTrials::create(func, units, *d, trialOptions);
    if (!created)
      return created.takeError();
    trials = std::move(*created);
    return llvm::Error::success();
  }
  unsigned unit(llvm::StringRef name) {
    for (unsigned i = 0; i < units.units.size(); ++i)
      if (units.units[i].name == name)
        return i;
    ADD_FAILURE() << name.str();
    return 0;
  }
  double loss(const Trial &trial) {
    auto found = trials->measure(trial, "a trial");
    if (!found) {
      ADD_FAILURE() << llvm::toString(found.takeError());
      return 0;
    }
    return found->output;
  }
  static double relativeError(const std::vector<float> &reference, const std::vector<float> &found) {
    double error = 0, size = 0;
    for (size_t j = 0; j < reference.size(); ++j) {
      error += std::pow(double(found[j]) - double(reference[j]), 2);
      size += std::pow(double(reference[j]), 2);
    }
    return error / size;
  }
  /// To nearest, a scale a row, 2^(bits-1) - 1 steps to each side.
  static std::vector<float> rounded(std::vector<float> w, size_t rows, int steps) {
    size_t columns = w.size() / rows;
    for (size_t row = 0; row < rows; ++row) {
      float largest = 0;
      for (size_t k = 0; k < columns; ++k)
        largest = std::max(largest, std::fabs(w[row * columns + k]));
      float scale = largest / float(steps);
      for (size_t k = 0; k < columns; ++k)
        w[row * columns + k] = std::nearbyint(w[row * columns + k] / scale) * scale;
    }
    return w;
  }
  std::vector<float> weight(llvm::StringRef name) { return toFloats(*getWeightStore(&context).lookup(name)); }

  std::string folder;
  FormatChoices choices;
  TrialOptions trialOptions;
  AllocationUnits units;
  std::unique_ptr<PlanTrials> trials;
};

} // namespace bitwright

#endif
