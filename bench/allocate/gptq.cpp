//===- gptq.cpp - GPTQ of one layer, for gptq.py -----------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// bench-gptq FOLDER ROWS COLUMNS GROUP THREADS: reads weights.f64 and moments.f64, writes rounded.f64 and prints the
// seconds of the rounding and its output error.
//
//===----------------------------------------------------------------------===//

#include "lib/Rounding/Gptq.h"
#include <chrono>
#include <cstdio>
#include <cstdlib>

static bool readAll(const std::string &path, std::vector<double> &out) {
  std::FILE *file = std::fopen(path.c_str(), "rb");
  if (!file)
    return false;
  size_t got = std::fread(out.data(), sizeof(double), out.size(), file);
  std::fclose(file);
  return got == out.size();
}

int main(int argc, char **argv) {
  if (argc != 6) {
    std::fprintf(stderr, "usage: bench-gptq FOLDER ROWS COLUMNS GROUP THREADS\n");
    return 2;
  }
  bitwright::GptqProblem problem;
  problem.name = "bench";
  problem.rows = std::atoll(argv[2]);
  problem.columns = std::atoll(argv[3]);
  bitwright::GptqOptions options;
  options.groupSize = std::atoll(argv[4]);
  options.threads = std::atoi(argv[5]);
  std::string folder = argv[1];
  std::vector<double> weights(size_t(problem.rows * problem.columns)),
      moments(size_t(problem.columns * problem.columns));
  if (!readAll(folder + "/weights.f64", weights) || !readAll(folder + "/moments.f64", moments)) {
    std::fprintf(stderr, "bench-gptq: expected weights.f64 and moments.f64 of these sizes in '%s'\n", argv[1]);
    return 1;
  }
  problem.weights = weights;
  problem.moments = moments;
  bitwright::UniformColumns quantizer(bitwright::integerFormat("u4"));
  auto start = std::chrono::steady_clock::now();
  llvm::Expected<bitwright::GptqResult> result = bitwright::gptqQuantize(problem, options, quantizer);
  double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (!result) {
    std::fprintf(stderr, "%s\n", llvm::toString(result.takeError()).c_str());
    return 1;
  }
  if (std::FILE *file = std::fopen((folder + "/rounded.f64").c_str(), "wb")) {
    std::fwrite(result->dequantized.data(), sizeof(double), result->dequantized.size(), file);
    std::fclose(file);
  }
  std::printf("%.6f %.17g\n", seconds, result->outputError);
  return 0;
}
