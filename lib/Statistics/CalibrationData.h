//===- CalibrationData.h - samples for calibration, checked ----------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// An `.npz` file, an `.npy` file (models with one input), or a folder of either. An array of an input's rank holds
// samples along its first axis (each is run at batch 1, or at the smallest batch that the input allows); an array of
// one rank more holds whole inputs. Arrays that are not compressed are read in place, one
// sample at a time: memory does not depend on how many there are.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_LIB_STATISTICS_CALIBRATIONDATA_H
#define BITWRIGHT_LIB_STATISTICS_CALIBRATIONDATA_H

#include "lib/Formats/Npy.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/SHA256.h"
#include <memory>
#include <string>
#include <vector>

namespace bitwright {

/// One array an input of the function, in the order of its arguments.
struct Sample {
  std::vector<formats::NpyArray> inputs;
};

class CalibrationData {
public:
  /// Lists the files; reads none. Errors: no such path, no arrays in a folder.
  static llvm::Expected<std::unique_ptr<CalibrationData>> open(llvm::StringRef path, mlir::func::FuncOp func);

  /// Calls `visit` for each sample in order. Errors name the file and the array: missing or unknown name, dtype,
  /// shape, a value that is not finite, no samples.
  llvm::Error forEach(llvm::function_ref<llvm::Error(const Sample &)> visit);

  /// SHA-256 over the samples that the last forEach visited, as hex; inside `visit`, over those up to the current one.
  std::string getDigest() const;

private:
  struct Input {
    std::string name, dtype;
    std::vector<std::pair<int64_t, int64_t>> dims; ///< inclusive range of each dimension
  };
  std::string path;
  llvm::SHA256 hash;
  std::vector<Input> inputs;
  /// Each group holds the file of every input (one .npz, or one .npy an input).
  struct Group {
    std::string npz;
    std::vector<std::string> npys;
  };
  std::vector<Group> groups;
};

} // namespace bitwright

#endif
