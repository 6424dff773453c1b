//===- Cpu.cpp - cpuid, XCR0 and the choice of a level -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
#include "lib/Runtime/Cpu.h"

#include <cpuid.h>
#include <cstdlib>
#include <sys/syscall.h>
#include <unistd.h>

using namespace bitwright::artifact;
using namespace bitwright::runtime;

static uint64_t readXcr0() {
  uint32_t lo, hi;
  __asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
  return uint64_t(hi) << 32 | lo;
}

static int detect() {
  unsigned a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d))
    return -1;
  auto bit = [](unsigned word, unsigned n) { return (word >> n & 1) != 0; };
  const bool fma = bit(c, 12), osxsave = bit(c, 27), avx = bit(c, 28), f16c = bit(c, 29);
  if (!osxsave || !avx || !fma || !f16c)
    return -1;
  const uint64_t xcr0 = readXcr0();
  constexpr uint64_t avxState = 0x6, avx512State = 0xe6, tileState = 0x60000;
  if ((xcr0 & avxState) != avxState || !__get_cpuid_count(7, 0, &a, &b, &c, &d) || !bit(b, 5))
    return -1;
  // F, DQ, BW, VL in EBX; VBMI, VNNI in ECX.
  const bool avx512 = bit(b, 16) && bit(b, 17) && bit(b, 30) && bit(b, 31) && bit(c, 1) && bit(c, 11);
  if (!avx512 || (xcr0 & avx512State) != avx512State)
    return int(Isa::Avx2);
  const bool tiles = bit(d, 24) && bit(d, 25) && (xcr0 & tileState) == tileState;
  return int(tiles && enableAmx() ? Isa::Amx : Isa::Avx512Vnni);
}

bool bitwright::runtime::enableAmx() {
  constexpr long requestPermission = 0x1023, tileData = 18;
  static const bool granted = syscall(SYS_arch_prctl, requestPermission, tileData) == 0;
  return granted;
}

bool bitwright::runtime::hostIsa(Isa &isa) {
  static const int level = detect();
  if (level < 0)
    return false;
  isa = Isa(level);
  return true;
}

Status bitwright::runtime::chooseIsa(const char *wanted, Isa &isa) {
  Isa host;
  if (!hostIsa(host))
    return failure(BW_UNSUPPORTED, "this processor lacks AVX2, FMA or F16C (or the system does not enable them): "
                                   "the compiled code cannot run here");
  const char *source = "the option 'isa'";
  if (!wanted || !*wanted) {
    wanted = std::getenv("BITWRIGHT_ISA");
    source = "the environment's BITWRIGHT_ISA";
  }
  if (!wanted || !*wanted) {
    isa = host;
    return {};
  }
  Isa asked;
  if (!parseIsa(wanted, asked))
    return failure(BW_INVALID_ARGUMENT,
                   std::string(source) + " is '" + wanted + "': expected 'avx2', 'avx512vnni' or 'amx'");
  if (asked > host)
    return failure(BW_UNSUPPORTED,
                   std::string(source) + " asks for '" + wanted + "', this host runs up to '" + isaName(host) + "'");
  isa = asked;
  return {};
}
