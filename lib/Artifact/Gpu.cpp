//===- Gpu.cpp - names and sizes of the GPU part -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
#include "lib/Artifact/Gpu.h"

using namespace bitwright;
using namespace bitwright::artifact;

static const char *const archNames[gpuArchCount] = {"sm_80", "sm_90a"};
static const char *const codeKindNames[gpuCodeKindCount] = {"cubin", "ptx"};
static const char *const argumentKindNames[] = {"buffer", "weight", "buffer_map", "weight_map", "int32"};

const char *bitwright::artifact::gpuArchName(GpuArch arch) { return archNames[unsigned(arch)]; }
const char *bitwright::artifact::gpuCodeKindName(GpuCodeKind kind) { return codeKindNames[unsigned(kind)]; }
const char *bitwright::artifact::gpuArgumentKindName(GpuArgumentKind kind) { return argumentKindNames[unsigned(kind)]; }

bool bitwright::artifact::parseGpuArch(const std::string &name, GpuArch &arch) {
  for (unsigned i = 0; i < gpuArchCount; ++i)
    if (name == archNames[i]) {
      arch = GpuArch(i);
      return true;
    }
  return false;
}

bool bitwright::artifact::canonicalBytes(const layout::Packing &packing, CanonicalOrder order, uint64_t &bytes) {
  // Below 2^31 a side no product below can overflow.
  if (packing.rows < 1 || packing.columns < 1 || packing.rows >> 31 || packing.columns >> 31)
    return false;
  const uint64_t rows = uint64_t(packing.rows), columns = uint64_t(packing.columns);
  switch (order) {
  case CanonicalOrder::RowMajor:
    if (packing.bits > 64)
      return false;
    // 2^62 elements of 64 bits do not fit; of up to 4 bits they do, but nothing as large is stored.
    if (rows * columns > (uint64_t(1) << 52))
      return false;
    bytes = (rows * columns * packing.bits + 7) / 8;
    return true;
  case CanonicalOrder::PanelBytes:
    bytes = (rows + 15) / 16 * ((columns + 3) / 4) * 64;
    return true;
  case CanonicalOrder::PanelNibbles:
    bytes = (rows + 15) / 16 * ((columns + 7) / 8) * 64;
    return true;
  }
  return false;
}
