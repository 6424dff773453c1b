//===- Gpu.h - the part of a .bwm file that a GPU runs ----------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// Plain structs, as in Model.h. A launch that a GPU can run has a `GpuLaunch`: rows of a table, of which the runtime
// takes, of those whose code the device runs and whose range holds M, the first of the highest architecture. Buffers
// of a launch mean the same on both devices: same arena offsets (in device memory), same inputs and outputs, row-major.
// Constants of a GPU launch are weights of the file in their canonical order; the runtime packs them once at upload
// (`GpuArgument::packing`).
//
//===----------------------------------------------------------------------===//
#pragma once

#include "lib/Artifact/DimExpr.h"
#include "lib/Layout/LinearLayout.h"

#include <string>
#include <vector>

namespace bitwright::artifact {

/// Numbers are part of the file format.
enum class GpuArch : uint8_t { Sm80 = 0, Sm90a = 1 };
constexpr unsigned gpuArchCount = 2;
/// "sm_80", "sm_90a".
const char *gpuArchName(GpuArch arch);
bool parseGpuArch(const std::string &name, GpuArch &arch);
enum class GpuCodeKind : uint8_t { Cubin = 0, Ptx = 1 };
constexpr unsigned gpuCodeKindCount = 2;
/// "cubin", "ptx".
const char *gpuCodeKindName(GpuCodeKind kind);

/// A compiled function in the module of its architecture.
struct GpuKernel {
  std::string symbol;
  GpuArch arch = GpuArch::Sm80;
  uint32_t threads = 0;
  uint32_t sharedBytes = 0; ///< dynamic
  uint32_t cluster = 1;     ///< CTAs of a cluster along x
  bool pdl = false;         ///< calls griddepcontrol: may be launched with programmatic stream serialization
};

enum class GpuArgumentKind : uint8_t {
  Buffer = 0,    ///< pointer to buffer `index` of the launch
  Weight = 1,    ///< pointer to weight `index` of the file, packed by `packing` (or as it is)
  BufferMap = 2, ///< tensor map over buffer `index`
  WeightMap = 3, ///< tensor map over packed weight `index`
  Int32 = 4,     ///< the value of `value`
};

/// "buffer", "weight", "buffer_map", "weight_map", "int32".
const char *gpuArgumentKindName(GpuArgumentKind kind);

/// How the bytes of a weight in the file are to be read as a matrix (the source of a packing).
enum class CanonicalOrder : uint8_t {
  RowMajor = 0,     ///< elements of `packing.bits` bits
  PanelBytes = 1,   ///< s8 panels [rows/16][columns/4][16][4] (x86 PanelLayout, one group)
  PanelNibbles = 2, ///< 4-bit panels [rows/16][columns/8][16][8], low nibbles the first four k of a lane's eight
};

/// Bytes that a matrix of `packing.rows` x `packing.columns` elements takes in `order`; false on overflow or a packing
/// out of range.
bool canonicalBytes(const layout::Packing &packing, CanonicalOrder order, uint64_t &bytes);

/// What a tensor map (TMA descriptor) describes; evaluated for each shape.
struct GpuTensorMap {
  uint32_t elementBits = 8;
  uint32_t rank = 2;
  std::vector<DimExpr> dims;        ///< innermost first
  std::vector<DimExpr> strideBytes; ///< rank - 1, of dims 1...
  std::vector<DimExpr> box;         ///< innermost first
  bool swizzle128 = true;
};

struct GpuArgument {
  GpuArgumentKind kind = GpuArgumentKind::Buffer;
  uint32_t index = 0;
  int32_t packing = -1; ///< number in Model::packings; -1: the bytes as they are
  CanonicalOrder order = CanonicalOrder::RowMajor;
  bool signExtend = true; ///< elements of the source are signed (bias is added to the signed value)
  GpuTensorMap map;
  DimExpr value = 0;
};

/// One row of the table of a launch. A kernel is right for every number of rows up to mHi; from mLo on it is the one to
/// take (where no better one runs on a device, for example for lack of shared memory, it serves fewer rows too).
struct GpuVariant {
  uint32_t kernel = 0;      ///< number in Model::gpuKernels
  int64_t mLo = 1, mHi = 0; ///< 0: no upper bound
  DimExpr gridX = 1, gridY = 1;
  bool persistent = false; ///< launch min(gridX, resident clusters * cluster) CTAs along x
  std::vector<GpuArgument> arguments;
};

struct GpuLaunch {
  DimExpr m = 1;                    ///< what mLo and mHi bound
  std::vector<GpuVariant> variants; ///< empty: this launch has no GPU code
  std::string reason;               ///< why not (first predicate that failed), for the error message
};

} // namespace bitwright::artifact
