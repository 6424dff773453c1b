//===- Options.h - command line of quant-run -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace bitwright::quantrun {

enum ExitStatus { exitDone = 0, exitWrongInput = 1, exitWrongUsage = 2, exitInternal = 3 };

struct Options {
  std::string model;
  std::string inputs;                                          ///< .npz
  std::vector<std::pair<std::string, std::string>> inputFiles; ///< name, .npy
  std::vector<std::pair<std::string, int64_t>> dims;           ///< for inputs that are made up
  std::string outputs, expected, json, isa, entry, device = "cpu";
  double atol = 1e-5, rtol = 1e-4;
  uint32_t threads = 1;
  unsigned runs = 0;
  bool onGpu() const { return device != "cpu"; }
  bool benchmark = false, profile = false, selfCheck = false, info = false, verify = false;
};

/// Returns an exit status, or -1 to go on. Prints help, version and what is wrong.
int parseOptions(int argc, char **argv, Options &options);

} // namespace bitwright::quantrun
