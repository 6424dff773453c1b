//===- UserMetric.h - a loss that another process computes ------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// The protocol of `--metric COMMAND` (docs/Allocation.md, "A metric of your own"). The command is started once, by
// `/bin/sh -c`. Requests are lines on its standard input, answers lines on its standard output, one each:
//
//   reference PATH     the outputs of the float network; first, once
//   evaluate PATH      the outputs of a network with some formats
//
// PATH is an .npz of float32 arrays named `OUTPUT:SAMPLE` (sample from 0, in the order of the calibration data), which
// is removed after the answer. An answer is a number, smaller is better, or `error TEXT`. The loss of a plan is its
// number minus that of the reference. At the end the command's input is closed.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_LIB_EVALUATE_USERMETRIC_H
#define BITWRIGHT_LIB_EVALUATE_USERMETRIC_H

#include "lib/Evaluate/EvaluationModel.h"

namespace bitwright {

class UserMetric {
public:
  /// Starts the command. `timeout`: seconds for one answer.
  static llvm::Expected<std::unique_ptr<UserMetric>> start(llvm::StringRef command, double timeout = 600);
  ~UserMetric();

  /// Sends the outputs, [sample][output], under the names of the model's outputs. Errors: the command ended, gave no
  /// finite number, said `error`, or took too long; nothing can be asked after one.
  llvm::Expected<double> ask(llvm::StringRef request, const std::vector<std::string> &names,
                             const std::vector<std::vector<EvaluatedOutput>> &outputs);
  const std::string &getCommand() const { return command; }

private:
  UserMetric() = default;
  llvm::Expected<std::string> readLine();
  llvm::Error failure(const llvm::Twine &text) const;

  std::string command, folder, pending;
  double timeout = 0;
  int child = -1, input = -1, output = -1;
  unsigned count = 0;
};

} // namespace bitwright

#endif
