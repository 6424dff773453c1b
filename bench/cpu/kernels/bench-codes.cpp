//===- bench-codes.cpp - linear layers on 4-bit and 8-bit codes -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
// One core. For each layer and number of rows: time of each form of its weights (test/Unit/X86Gemm/CodesCase.h), and
// how often faster than 8-bit weights it is. The epilogue is scale and residual, the same for all. Forms take turns in
// every round; times (of the processor) are medians over the rounds, and so are the ratios to 8-bit weights of the same
// round, so that a busy neighbour meets both. Every kernel runs once untimed before its turn: what fits a cache lies
// there.
//
//   bench-codes [--isa avx2|avx512vnni] [--rounds N] [--layer NxK] [--rows M] [--form NAME] [--json FILE]
//               [--dump FOLDER]
//===----------------------------------------------------------------------===//
#include "test/Unit/X86Gemm/CodesCase.h"
#include "test/Unit/X86Gemm/KernelHarness.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <time.h>

using namespace bitwright;
using namespace bitwright::x86;
using namespace bitwright::x86::testing;

/// Processor time of this thread: what others take of the core does not count.
static double now() {
  timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return double(time.tv_sec) + double(time.tv_nsec) * 1e-9;
}
static double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + values.size() / 2, values.end());
  return values[values.size() / 2];
}

namespace {
struct Candidate {
  const char *name;
  Form form;
  int64_t group;
  bool large; ///< also for layers beyond every cache
};
struct Built {
  std::unique_ptr<mlir::MLIRContext> context;
  BuiltCase built;
  std::unique_ptr<CompiledRegion> region;
};
} // namespace

static const Candidate all[] = {{"s8", Form::PerToken8, 0, true},
                                {"s4 channel", Form::PerToken4, 0, true},
                                {"two-level 128", Form::TwoLevel, 128, true},
                                {"two-level 32", Form::TwoLevel, 32, false},
                                {"groups 128", Form::Groups, 128, true},
                                {"groups 32", Form::Groups, 32, false},
                                {"f32", Form::Float, 0, false},
                                {"w4a16 128", Form::WeightOnly4, 128, false},
                                {"w8a16", Form::WeightOnly8, 0, false}};

/// Tensors of `rows` rows for a region that was built for `maxRows`: the first rows of its own.
static std::vector<reference::Tensor> firstRows(const BuiltCase &built, int64_t rows) {
  std::vector<reference::Tensor> operands = built.operands;
  for (size_t i = 0; i < built.arguments.size(); ++i) {
    const reference::Tensor &from = built.arguments[i];
    operands[i] = reference::Tensor(from.getElement(), {rows, from.getShape()[1]});
    std::memcpy(operands[i].mutableData<uint8_t>(), from.bytes(), operands[i].getNumBytes());
  }
  return operands;
}

int main(int argc, char **argv) {
  Isa isa = hostHas(Isa::Avx512Vnni) ? Isa::Avx512Vnni : Isa::Avx2;
  int rounds = 15;
  std::string layer, json, dump, form;
  int64_t onlyRows = 0;
  for (int i = 1; i + 1 < argc; i += 2) {
    std::string flag = argv[i];
    if (flag == "--isa")
      isa = !std::strcmp(argv[i + 1], "avx2") ? Isa::Avx2 : Isa::Avx512Vnni;
    else if (flag == "--rounds")
      rounds = std::atoi(argv[i + 1]);
    else if (flag == "--layer")
      layer = argv[i + 1];
    else if (flag == "--rows")
      onlyRows = std::atoi(argv[i + 1]);
    else if (flag == "--form")
      form = argv[i + 1];
    else if (flag == "--dump")
      dump = argv[i + 1];
    else if (flag == "--json")
      json = argv[i + 1];
  }
  if (!hostHas(isa)) {
    std::fprintf(stderr, "bench-codes: this machine has no %s\n", nameOf(isa).str().c_str());
    return 1;
  }
  std::string records;
  std::printf("%s, one core; microseconds (times as fast as s8)\n%-16s", nameOf(isa).str().c_str(), "layer, rows");
  std::vector<Candidate> forms;
  for (auto &candidate : all)
    if (forms.empty() || form.empty() || form == candidate.name)
      forms.push_back(candidate), std::printf(" %18s", candidate.name);
  std::printf("\n");
  std::vector<std::pair<int64_t, int64_t>> layers = {
      {1024, 1024}, {4096, 1024}, {1024, 4096}, {4096, 4096}, {8192, 8192}};
  if (size_t x = layer.find('x'); x != std::string::npos)
    layers = {{std::atoi(layer.c_str()), std::atoi(layer.c_str() + x + 1)}};
  for (auto [n, k] : layers) {
    bool large = n * k > 4096 * 4096;
    std::vector<Built> kernels(forms.size());
    for (size_t f = 0; f < forms.size(); ++f) {
      if (large && !forms[f].large)
        continue;
      CodesCase c{forms[f].form, 512, n, k, forms[f].group};
      c.gelu = false;
      c.maxRows = 512;
      kernels[f].context = makeContext();
      kernels[f].built = build(*kernels[f].context, c, 1);
      if (!kernels[f].built.module)
        return 3;
      kernels[f].region = CompiledRegion::compile(kernels[f].built.func, isa);
      if (!kernels[f].region)
        return 3;
      if (!dump.empty())
        if (FILE *file = std::fopen((dump + "/" + forms[f].name + ".bin").c_str(), "wb")) {
          std::fwrite(kernels[f].region->getCode(), 1, kernels[f].region->getCodeBytes(), file);
          std::fclose(file);
        }
    }
    if (!dump.empty())
      return 0;
    for (int64_t rows : {1, 4, 16, 48, 128, 512}) {
      if ((onlyRows && rows != onlyRows) || (large && rows > 48))
        continue;
      for (Built &kernel : kernels)
        if (kernel.region)
          kernel.region->bind(firstRows(kernel.built, rows), {rows});
      // Short kernels several times a turn: about 0.2 ms of the 8-bit one at 200 GMAC/s.
      int64_t repeat = std::max<int64_t>(1, 40'000'000 / (n * k * rows));
      std::vector<std::vector<double>> times(forms.size()), ratios(forms.size());
      for (int round = 0; round < rounds; ++round) {
        for (size_t f = 0; f < forms.size(); ++f) {
          if (!kernels[f].region)
            continue;
          kernels[f].region->runAll();
          double start = now();
          for (int64_t i = 0; i < repeat; ++i)
            kernels[f].region->runAll();
          times[f].push_back((now() - start) / double(repeat));
          ratios[f].push_back(times[0].back() / times[f].back());
        }
      }
      std::printf("%-16s", (std::to_string(n) + "x" + std::to_string(k) + ", " + std::to_string(rows)).c_str());
      for (size_t f = 0; f < forms.size(); ++f) {
        if (!kernels[f].region) {
          std::printf(" %18s", "");
          continue;
        }
        std::printf(" %10.1f (%5.2f)", median(times[f]) * 1e6, median(ratios[f]));
        char text[200];
        std::snprintf(text, sizeof(text),
                      "  {\"n\": %d, \"k\": %d, \"rows\": %d, \"form\": \"%s\", \"us\": %.2f, \"to_s8\": %.3f}", int(n),
                      int(k), int(rows), forms[f].name, median(times[f]) * 1e6, median(ratios[f]));
        records += (records.empty() ? "" : ",\n") + std::string(text);
      }
      std::printf("\n");
      std::fflush(stdout);
    }
  }
  if (!json.empty())
    if (FILE *file = std::fopen(json.c_str(), "w")) {
      std::fprintf(file,
                   "{\"program\": \"bench-codes\",\n \"machine\": \"\",\n \"isa\": \"%s\",\n \"rounds\": %d,\n"
                   " \"results\": [\n%s\n]}\n",
                   nameOf(isa).str().c_str(), rounds, records.c_str());
      std::fclose(file);
    }
  return 0;
}
