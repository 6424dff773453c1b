//===- bench-codes.cpp - linear layers on 4-bit and 8-bit codes -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
// One core. For each layer and number of rows: time of each form of its weights (test/Unit/X86Gemm/CodesCase.h), and
// how often faster than 8-bit weights it is. The epilogue is scale, bias and residual, the same for all. Forms take
// turns in every round, and the best round counts.
//
//   bench-codes [--isa avx2|avx512vnni] [--rounds N] [--layer NxK] [--json FILE] [--dump FOLDER]
//===----------------------------------------------------------------------===//
#include "test/Unit/X86Gemm/CodesCase.h"
#include "test/Unit/X86Gemm/KernelHarness.h"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>

using namespace bitwright;
using namespace bitwright::x86;
using namespace bitwright::x86::testing;

static double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

int main(int argc, char **argv) {
  Isa isa = hostHas(Isa::Avx512Vnni) ? Isa::Avx512Vnni : Isa::Avx2;
  int rounds = 9;
  std::string layer, json, dump;
  for (int i = 1; i + 1 < argc; i += 2) {
    if (!std::strcmp(argv[i], "--isa"))
      isa = !std::strcmp(argv[i + 1], "avx2") ? Isa::Avx2 : Isa::Avx512Vnni;
    else if (!std::strcmp(argv[i], "--rounds"))
      rounds = std::atoi(argv[i + 1]);
    else if (!std::strcmp(argv[i], "--layer"))
      layer = argv[i + 1];
    else if (!std::strcmp(argv[i], "--dump"))
      dump = argv[i + 1];
    else if (!std::strcmp(argv[i], "--json"))
      json = argv[i + 1];
  }
  if (!hostHas(isa)) {
    std::fprintf(stderr, "bench-codes: this machine has no %s\n", nameOf(isa).str().c_str());
    return 1;
  }
  const struct {
    const char *name;
    Form form;
    int64_t group;
  } forms[] = {{"s8", Form::PerToken8, 0},
               {"s4 channel", Form::PerToken4, 0},
               {"two-level 128", Form::TwoLevel, 128},
               {"two-level 32", Form::TwoLevel, 32},
               {"groups 128", Form::Groups, 128},
               {"groups 32", Form::Groups, 32},
               {"w4a16 128", Form::WeightOnly4, 128},
               {"w8a16", Form::WeightOnly8, 0}};
  std::string records;
  std::printf("%s, one core; microseconds (times as fast as s8)\n%-16s", nameOf(isa).str().c_str(), "layer, rows");
  for (auto &form : forms)
    std::printf(" %20s", form.name);
  std::printf("\n");
  for (auto [n, k] : {std::pair<int64_t, int64_t>{4096, 4096}, {4096, 1024}, {1024, 4096}}) {
    if (!layer.empty() && layer != std::to_string(n) + "x" + std::to_string(k))
      continue;
    for (int64_t rows : {1, 4, 16, 48, 96}) {
      std::vector<std::unique_ptr<mlir::MLIRContext>> contexts;
      std::vector<BuiltCase> cases;
      std::vector<std::unique_ptr<CompiledRegion>> regions;
      std::vector<double> best(std::size(forms), 1e9);
      for (auto &form : forms) {
        contexts.push_back(makeContext());
        CodesCase c{form.form, rows, n, k, form.group};
        c.gelu = false;
        cases.push_back(build(*contexts.back(), c, 1));
        if (!cases.back().module)
          return 3;
        regions.push_back(CompiledRegion::compile(cases.back().func, isa));
        if (!regions.back())
          return 3;
        regions.back()->bind(cases.back().operands, cases.back().symbols);
        regions.back()->runAll();
      }
      if (!dump.empty()) {
        for (size_t f = 0; f < std::size(forms); ++f)
          if (FILE *file = std::fopen((dump + "/" + forms[f].name + ".bin").c_str(), "wb")) {
            std::fwrite(regions[f]->getCode(), 1, regions[f]->getCodeBytes(), file);
            std::fclose(file);
          }
        return 0;
      }
      for (int round = 0; round < rounds; ++round)
        for (size_t f = 0; f < std::size(forms); ++f) {
          double start = now();
          regions[f]->runAll();
          best[f] = std::min(best[f], now() - start);
        }
      std::printf("%-16s", (std::to_string(n) + "x" + std::to_string(k) + ", " + std::to_string(rows)).c_str());
      for (size_t f = 0; f < std::size(forms); ++f) {
        std::printf(" %12.1f (%5.2f)", best[f] * 1e6, best[0] / best[f]);
        records += (records.empty() ? "" : ",\n") + std::string("  {\"n\": ") + std::to_string(n) +
                   ", \"k\": " + std::to_string(k) + ", \"rows\": " + std::to_string(rows) + ", \"form\": \"" +
                   forms[f].name + "\", \"us\": " + std::to_string(best[f] * 1e6) + "}";
      }
      std::printf("\n");
      std::fflush(stdout);
    }
  }
  if (!json.empty())
    if (FILE *file = std::fopen(json.c_str(), "w")) {
      std::fprintf(file, "{\"isa\": \"%s\", \"results\": [\n%s\n]}\n", nameOf(isa).str().c_str(), records.c_str());
      std::fclose(file);
    }
  return 0;
}
