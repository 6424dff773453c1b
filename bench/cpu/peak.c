//===- peak.c - rate of vpdpbusd with everything in registers --------------*- C -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
// Prints `NAME GMAC/s`, the best of several runs, of the dot product instruction of each ISA level that this core has:
// what a kernel without any memory access could reach. A busy neighbour only ever lowers it, hence the best run counts.

#include <immintrin.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec * 1e-9;
}

// Twelve independent sums cover the latency of the instruction (4 to 5 cycles on two ports).
#define REPEAT12(M) M(0) M(1) M(2) M(3) M(4) M(5) M(6) M(7) M(8) M(9) M(10) M(11)
enum { SUMS = 12, LOOPS = 20000000, RUNS = 5 };

// The empty asm keeps the compiler from folding the loop: it must assume that the operands changed.
__attribute__((target("avx512f,avx512vnni"))) static int32_t vnni512(void) {
  __m512i a = _mm512_set1_epi8(3), b = _mm512_set1_epi8(5), sums[SUMS];
  for (int i = 0; i < SUMS; i++)
    sums[i] = _mm512_setzero_si512();
#define DECLARE(i) __m512i s##i = sums[i];
  REPEAT12(DECLARE)
  for (int n = 0; n < LOOPS; n++) {
    __asm__ volatile("" : "+v"(a), "+v"(b));
#define STEP(i) s##i = _mm512_dpbusd_epi32(s##i, a, b);
    REPEAT12(STEP)
#undef STEP
  }
  __m512i total = _mm512_setzero_si512();
#define ADD(i) total = _mm512_add_epi32(total, s##i);
  REPEAT12(ADD)
#undef ADD
#undef DECLARE
  return _mm512_reduce_add_epi32(total);
}

__attribute__((target("avx2"))) static int32_t avx2(void) {
  __m256i a = _mm256_set1_epi16(3), b = _mm256_set1_epi16(5);
#define DECLARE(i) __m256i s##i = _mm256_setzero_si256();
  REPEAT12(DECLARE)
  for (int n = 0; n < LOOPS; n++) {
    __asm__ volatile("" : "+x"(a), "+x"(b));
#define STEP(i) s##i = _mm256_add_epi32(s##i, _mm256_madd_epi16(a, b));
    // Each product is made anew: without this the compiler computes the equal products once.
#define BLUR(i) __asm__ volatile("" : "+x"(a));
#define BOTH(i) STEP(i) BLUR(i)
    REPEAT12(BOTH)
  }
  __m256i total = _mm256_setzero_si256();
#define ADD(i) total = _mm256_add_epi32(total, s##i);
  REPEAT12(ADD)
  int32_t lanes[8], sum = 0;
  _mm256_storeu_si256((__m256i *)lanes, total);
  for (int i = 0; i < 8; i++)
    sum += lanes[i];
  return sum;
}

static void report(const char *name, int32_t (*kernel)(void), double macsPerInstruction) {
  double best = 0;
  volatile int32_t sink;
  for (int run = 0; run < RUNS; run++) {
    double start = now();
    sink = kernel();
    double rate = macsPerInstruction * SUMS * LOOPS / (now() - start) * 1e-9;
    if (rate > best)
      best = rate;
  }
  (void)sink;
  printf("%s %.1f\n", name, best);
}

int main(void) {
  if (__builtin_cpu_supports("avx512vnni"))
    report("avx512vnni", vnni512, 64);
  if (__builtin_cpu_supports("avx2"))
    report("avx2", avx2, 16);
  return 0;
}
