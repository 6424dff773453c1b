//===- WriteGpuModel.cpp - writes the test model with GPU code -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
#include "TestModel.h"

#include <cstdio>

using namespace bitwright;

int main(int argc, char **argv) {
  artifact::Model model = test::makeGpuModel();
  runtime::Status s = test::addSelfCheck(model, 1);
  std::string error = s.text;
  if (argc == 2 && s.ok() && artifact::writeArtifact(model, argv[1], error))
    return 0;
  std::fprintf(stderr, "bitwright_write_gpu_model FILE.bwm: %s\n", error.c_str());
  return 1;
}
