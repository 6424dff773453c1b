//===- Kernels.c - kernels of the test model, built to flat blobs -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// Each function has a section of its own, which the build extracts as bytes. The
// code must need no constant pool and no relocation: integers only, no calls.
//
//===----------------------------------------------------------------------===//
#include <stdint.h>

typedef int32_t i32;

/// One tile is one (n, w): mid[n, w, c] = 2 * x[n, c, w] + bias[c] for c < 3. dims: W.
void shift(void **buffers, const int64_t *dims, int64_t begin, int64_t end, void *scratch) {
  const i32 *x = buffers[0];    // [N, 3, W]
  const i32 *bias = buffers[1]; // [3]
  i32 *mid = buffers[2];        // [N, W, 4], channel 3 is padding
  const int64_t width = dims[0];
  for (int64_t t = begin; t < end; ++t)
    for (int64_t c = 0; c < 3; ++c)
      mid[t * 4 + c] = 2 * x[(t / width * 3 + c) * width + t % width] + bias[c];
}

/// One tile is one n: y[n, c, w] = mid[n, W - 1 - w, c], by way of the scratch memory. dims: W.
void reverse(void **buffers, const int64_t *dims, int64_t begin, int64_t end, void *scratch) {
  const i32 *mid = buffers[0]; // [N, W, 4]
  i32 *y = buffers[1];         // [N, 3, W]
  i32 *row = scratch;          // [W]
  const int64_t width = dims[0];
  for (int64_t n = begin; n < end; ++n)
    for (int64_t c = 0; c < 3; ++c) {
      for (int64_t w = 0; w < width; ++w)
        row[w] = mid[(n * width + w) * 4 + c];
      for (int64_t w = 0; w < width; ++w)
        y[(n * 3 + c) * width + w] = row[width - 1 - w];
    }
}

/// One tile: total[0] = sum of count values. dims: count.
void total(void **buffers, const int64_t *dims, int64_t begin, int64_t end, void *scratch) {
  const i32 *y = buffers[0];
  int64_t sum = 0;
  for (int64_t i = 0; i < dims[0]; ++i)
    sum += y[i];
  *(int64_t *)buffers[1] = sum;
}

/// Which code runs: 2 or 512.
void level_avx2(void **buffers, const int64_t *dims, int64_t begin, int64_t end, void *scratch) {
  *(i32 *)buffers[0] = 2;
}
void level_avx512(void **buffers, const int64_t *dims, int64_t begin, int64_t end, void *scratch) {
  *(i32 *)buffers[0] = 512;
}

/// out[0] = the denormal in[0] times 1.0: zero when the caller's flush-to-zero leaks in. dims: none.
void keep_denormal(void **buffers, const int64_t *dims, int64_t begin, int64_t end, void *scratch) {
  const volatile float *in = buffers[0];
  *(float *)buffers[1] = in[0] * in[1];
}
