//===- bench-kernels.cpp - rate of the gemm and depthwise kernels ----------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
// One core. Compiles the layer shapes of the sample models with the product's own code path and prints time, GMAC/s and
// the share of the rate that a loop of nothing but multiply-adds reaches on this core (measured in the same run).
//
//   bench-kernels [--isa avx2|avx512vnni] [--only SUBSTRING] [--repeat SECONDS] [--cold yes] [--wide yes]
// With --wide, activations have 16 bits (weights 8).
// With --cold, 4 MiB of other memory are read before each run, so that weights come from the last level cache, as in a
// whole model.
//===----------------------------------------------------------------------===//
#include "test/Unit/X86Gemm/KernelHarness.h"
#include "test/Unit/X86Gemm/ProductCase.h"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>

using namespace bitwright;
using namespace bitwright::x86;
using namespace bitwright::x86::testing;

namespace {

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

constexpr int64_t kLoops = 1 << 20;

/// Best of several runs of kLoops rounds; `perRound` multiply-adds each.
template <typename F> double bestRate(double perRound, F f) {
  double best = 0;
  for (int r = 0; r < 9; ++r) {
    double start = now();
    f();
    best = std::max(best, perRound * double(kLoops) / (now() - start));
  }
  return best / 1e9;
}

// Twelve independent chains in registers, nothing else: what the core can do.
#define BITWRIGHT_LOOP(body, ...)                                                                                      \
  [] {                                                                                                                 \
    int64_t n = kLoops;                                                                                                \
    __asm__ volatile("1:\n\t" body "dec %0\n\tjnz 1b\n\tvzeroupper" : "+r"(n) : : "cc", "memory", __VA_ARGS__);        \
  }
#define BITWRIGHT_SIMD_REGISTERS                                                                                       \
  "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13",  \
      "xmm14", "xmm15"
#define BITWRIGHT_TWELVE(op, r)                                                                                        \
  op " %%" r "0, %%" r "0, %%" r "1\n\t" op " %%" r "0, %%" r "0, %%" r "2\n\t" op " %%" r "0, %%" r "0, %%" r         \
     "3\n\t" op " %%" r "0, %%" r "0, %%" r "4\n\t" op " %%" r "0, %%" r "0, %%" r "5\n\t" op " %%" r "0, %%" r        \
     "0, %%" r "6\n\t" op " %%" r "0, %%" r "0, %%" r "7\n\t" op " %%" r "0, %%" r "0, %%" r "8\n\t" op " %%" r        \
     "0, %%" r "0, %%" r "9\n\t" op " %%" r "0, %%" r "0, %%" r "10\n\t" op " %%" r "0, %%" r "0, %%" r "11\n\t" op    \
     " %%" r "0, %%" r "0, %%" r "12\n\t"
#define BITWRIGHT_MADD(r) "vpmaddwd %%ymm0, %%ymm0, %%ymm13\n\tvpaddd %%ymm13, %%" r ", %%" r "\n\t"

double peakVnni() {
  return bestRate(12 * 64, BITWRIGHT_LOOP(BITWRIGHT_TWELVE("vpdpbusd", "zmm"), BITWRIGHT_SIMD_REGISTERS));
}
double peakFma512() {
  return bestRate(12 * 16, BITWRIGHT_LOOP(BITWRIGHT_TWELVE("vfmadd231ps", "zmm"), BITWRIGHT_SIMD_REGISTERS));
}
double peakFma256() {
  return bestRate(12 * 8, BITWRIGHT_LOOP(BITWRIGHT_TWELVE("vfmadd231ps", "ymm"), BITWRIGHT_SIMD_REGISTERS));
}
double peakMadd() {
  return bestRate(8 * 16, BITWRIGHT_LOOP(BITWRIGHT_MADD("ymm1") BITWRIGHT_MADD("ymm2") BITWRIGHT_MADD("ymm3")
                                             BITWRIGHT_MADD("ymm4") BITWRIGHT_MADD("ymm5") BITWRIGHT_MADD("ymm6")
                                                 BITWRIGHT_MADD("ymm7") BITWRIGHT_MADD("ymm8"),
                                         BITWRIGHT_SIMD_REGISTERS));
}

/// Reads 4 MiB, more than a second level cache holds.
void evict() {
  static std::vector<uint8_t> other(48 << 20, 1);
  uint64_t sum = 0;
  for (size_t i = 0; i < other.size(); i += 64)
    sum += other[i];
  __asm__ volatile("" : : "r"(sum));
}

struct Shape {
  const char *name;
  ProductCase c;
  int count; ///< how often the text recogniser (48x320) has it
};

ProductCase with(ProductCase c, Epilogue e) {
  c.epilogue = e;
  c.zeroPoint = 3;
  return c;
}
ProductCase strided(ProductCase c, std::vector<int64_t> strides) {
  c.strides = std::move(strides);
  return c;
}
ProductCase padded(ProductCase c, std::vector<int64_t> pads) {
  c.pads = std::move(pads);
  return c;
}

std::vector<Shape> shapes() {
  auto r = Epilogue::Rescale, l = Epilogue::RescaleLookup, a = Epilogue::RescaleResidual;
  return {
      {"stem1", with(conv({1, 48, 320}, 3, 48, {3, 3}, 2, 1), r), 1},
      {"stem2", with(padded(conv({1, 24, 160}, 48, 24, {2, 2}), {0, 0, 1, 1}), r), 1},
      {"stem3", with(padded(conv({1, 24, 160}, 24, 48, {2, 2}), {0, 0, 1, 1}), r), 1},
      {"stem4", with(conv({1, 24, 160}, 96, 48, {3, 3}, 2, 1), r), 1},
      {"pw 48-96", with(conv({1, 12, 80}, 48, 96, {1, 1}), r), 1},
      {"dw 96", with(conv({1, 12, 80}, 96, 96, {3, 3}, 1, 1, 96), r), 3},
      {"pw 96-192 table", with(conv({1, 12, 80}, 96, 192, {1, 1}), l), 3},
      {"pw 192-96 add", with(conv({1, 12, 80}, 192, 96, {1, 1}), a), 3},
      {"dw 96 s2", strided(with(conv({1, 12, 80}, 96, 96, {3, 3}, 1, 1, 96), r), {2, 1}), 1},
      {"pw 192-192", with(conv({1, 6, 80}, 192, 192, {1, 1}), r), 1},
      {"dw 192", with(conv({1, 6, 80}, 192, 192, {3, 3}, 1, 1, 192), r), 5},
      {"pw 192-384 table", with(conv({1, 6, 80}, 192, 384, {1, 1}), l), 5},
      {"pw 384-192 add", with(conv({1, 6, 80}, 384, 192, {1, 1}), a), 5},
      {"pw 384-384", with(conv({1, 3, 80}, 384, 384, {1, 1}), r), 1},
      {"dw 384", with(conv({1, 3, 80}, 384, 384, {3, 3}, 1, 1, 384), r), 2},
      {"pw 384-768 table", with(conv({1, 3, 80}, 384, 768, {1, 1}), l), 2},
      {"pw 768-384 add", with(conv({1, 3, 80}, 768, 384, {1, 1}), a), 2},
      {"se 384-96", with(conv({1, 1, 1}, 384, 96, {1, 1}), r), 6},
      {"linear 120-360", with(linear({40}, 120, 360), r), 4},
      {"linear 240-120", with(linear({40}, 240, 120), r), 2},
      {"head 120-18710", with(linear({40}, 120, 18710), Epilogue::Dequantize), 1},
      {"dw 192 none", with(conv({1, 6, 80}, 192, 192, {3, 3}, 1, 1, 192), Epilogue::None), 0},
      {"dw 32 large", with(conv({1, 112, 112}, 32, 32, {3, 3}, 1, 1, 32), r), 0},
      {"dw5 96", with(conv({1, 12, 80}, 96, 96, {5, 5}, 1, 2, 96), r), 0},
      {"3x3 64-64", with(conv({1, 56, 56}, 64, 64, {3, 3}, 1, 1), r), 0},
      {"linear 96x4096-4096", with(linear({96}, 4096, 4096), r), 0},
      {"linear 1x1024-1024", with(linear({1}, 1024, 1024), r), 0},
      {"1x1 256-256 none", with(conv({1, 28, 28}, 256, 256, {1, 1}), Epilogue::None), 0},
  };
}

} // namespace

int main(int argc, char **argv) {
  Isa isa = hostHas(Isa::Avx512Vnni) ? Isa::Avx512Vnni : Isa::Avx2;
  std::string only;
  double seconds = 0.05;
  bool cold = false, wide = false;
  for (int i = 1; i + 1 < argc; i += 2) {
    if (!std::strcmp(argv[i], "--isa"))
      isa = !std::strcmp(argv[i + 1], "avx2") ? Isa::Avx2 : Isa::Avx512Vnni;
    else if (!std::strcmp(argv[i], "--only"))
      only = argv[i + 1];
    else if (!std::strcmp(argv[i], "--cold"))
      cold = !std::strcmp(argv[i + 1], "yes");
    else if (!std::strcmp(argv[i], "--wide"))
      wide = !std::strcmp(argv[i + 1], "yes");
    else if (!std::strcmp(argv[i], "--repeat"))
      seconds = std::atof(argv[i + 1]);
  }
  if (!hostHas(isa)) {
    std::fprintf(stderr, "bench-kernels: this machine has no %s\n", nameOf(isa).str().c_str());
    return 1;
  }
  double peaks[2] = {isa == Isa::Avx2 ? peakMadd() : peakVnni(), isa == Isa::Avx2 ? peakFma256() : peakFma512()};
  std::printf("%s: multiply-add loop %.1f GMAC/s integer, %.1f float\n", nameOf(isa).str().c_str(), peaks[0], peaks[1]);
  std::printf("%-28s %9s %9s %6s %6s %8s %8s\n", "layer", "MMAC", "us", "GMAC/s", "%", "code B", "emit ms");
  double total = 0;
  for (int pass = 0; pass < 2; ++pass)
    for (Shape shape : shapes()) {
      shape.c.isFloat = pass == 1;
      if (wide && pass == 1)
        continue;
      if (wide)
        shape.c.inputBits = 16;
      if (pass == 1 && shape.c.epilogue == Epilogue::RescaleLookup)
        shape.c.epilogue = Epilogue::Rescale;
      std::string name = std::string(shape.name) + (pass ? " f32" : "");
      if (name.find(only) == std::string::npos)
        continue;
      auto context = makeContext();
      BuiltCase built = build(*context, shape.c, 1);
      if (!built.module)
        return 3;
      double emitStart = now();
      auto region = CompiledRegion::compile(built.func, isa);
      double emitted = now() - emitStart;
      if (!region)
        return 3;
      region->bind(built.operands, built.symbols);
      region->runAll();
      double best = 1e9, begin = now();
      do {
        if (cold)
          evict();
        double start = now();
        region->runAll();
        best = std::min(best, now() - start);
      } while (now() - begin < seconds);
      double macs = double(shape.c.macs());
      total += pass ? 0 : best * shape.count;
      std::printf("%-28s %9.3f %9.1f %6.1f %6.1f %8zu %8.0f\n", name.c_str(), macs / 1e6, best * 1e6, macs / best / 1e9,
                  100 * macs / best / 1e9 / peaks[pass], region->getCodeBytes(), emitted * 1e3);
    }
  std::printf("integer layers of the text recogniser, weighted by count: %.2f ms\n", total * 1e3);
  return 0;
}
