//===- Model.h - the content of a .bwm file as plain structs -----*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// Everything that a `.bwm` file holds, as plain C++17 without LLVM. The compiler
// fills a `Model` (Package stage), `writeArtifact` serialises it, `readArtifact`
// gives it back, `quant-dump` prints it, and the runtime executes it.
//
// How the parts refer to each other: all references are indices into the vectors
// of this file; -1 means "none" where a field says so. A launch names a kernel and
// a list of buffers; a buffer is a place (arena offset, weight number, input or
// output number) plus, where it holds a named value, a tensor.
//
// Kernel ABI (CPU):
//   void k(void **buffers, const int64_t *dims, int64_t tile_begin, int64_t tile_end, void *scratch);
// `buffers`: one pointer a buffer of the launch, in order. `dims`: the launch's
// `dims` evaluated, in order. Tiles [tile_begin, tile_end) of [0, tiles) are
// independent; any partition over threads gives the same bytes. `scratch`: 64-byte
// aligned, private to the thread, at least `scratchBytes`. Arena and weight
// buffers start at multiples of 64 bytes and 64 bytes behind their end may be read
// (not written); caller-owned input and output buffers have neither guarantee.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "lib/Artifact/Gpu.h"
#include "lib/Artifact/PackedCodes.h"

#include <array>
#include <memory>

namespace bitwright::artifact {

/// Versions of the format that this code reads. A file states the lowest one that it needs: 2, or 3 with packed codes,
/// which a reader of version 2 would take for whole bytes.
constexpr uint32_t oldestFormatVersion = 2, formatVersion = 3;
constexpr uint64_t weightAlignment = 64;
constexpr uint64_t codeAlignment = 4096;
/// Bytes that may be read behind the end of any arena or weight buffer.
constexpr uint64_t readSlack = 64;

/// Element types; the numbers are part of the file format and of the C API (`bw_dtype`).
enum class ElementType : uint8_t {
  F32 = 0,
  F16 = 1,
  BF16 = 2,
  S8 = 3,
  U8 = 4,
  S16 = 5,
  S32 = 6,
  S64 = 7,
  Bool = 8,
  S4 = 9,
  U4 = 10,
  F64 = 11,
};
constexpr unsigned elementTypeCount = 12;
/// Bits of one element: 4 for S4/U4, which are packed little-endian, low nibble first.
unsigned bitWidth(ElementType type);
/// "f32", "s8", "bool", ...
const char *elementTypeName(ElementType type);
/// Stored integers take part in the self-check and must agree bit for bit; floats are compared within a bound.
bool isInteger(ElementType type);

/// Instruction set levels, each a superset of the one before; the numbers are part of the file format.
enum class Isa : uint8_t { Avx2 = 0, Avx512Vnni = 1, Amx = 2 };
constexpr unsigned isaCount = 3;
/// "avx2", "avx512vnni", "amx".
const char *isaName(Isa isa);
bool parseIsa(const std::string &name, Isa &isa);

/// Bytes that are owned, shared or merely looked at. Copying shares.
class Blob {
public:
  Blob() = default;
  /// Takes the bytes over.
  static Blob own(std::vector<uint8_t> bytes);
  /// Looks at bytes that outlive the blob.
  static Blob view(const void *data, size_t size) { return Blob(static_cast<const uint8_t *>(data), size, nullptr); }
  /// Looks at bytes that `owner` keeps alive.
  static Blob share(const void *data, size_t size, std::shared_ptr<const void> owner) {
    return Blob(static_cast<const uint8_t *>(data), size, std::move(owner));
  }
  const uint8_t *data() const { return start; }
  size_t size() const { return length; }
  bool empty() const { return length == 0; }

private:
  Blob(const uint8_t *data, size_t size, std::shared_ptr<const void> owner)
      : start(data), length(size), keepAlive(std::move(owner)) {}
  const uint8_t *start = nullptr;
  size_t length = 0;
  std::shared_ptr<const void> keepAlive;
};

/// How codes become real numbers: real = scale * (code - zeroPoint), per tensor or per slice of `axis`.
struct Scheme {
  bool quantized = false;
  int32_t axis = -1;               ///< logical dimension of the scales; -1: one scale for the tensor
  std::vector<float> scales;       ///< one, or one per slice of `axis`
  std::vector<int32_t> zeroPoints; ///< one, or as many as scales
  std::string text;                ///< as the IR prints it: `s8`, `s4, group = 128 along 1`
  /// Observed range of real values; lo > hi when there is none. The self-check draws float probe inputs from it.
  float rangeLo = 1.0f, rangeHi = -1.0f;
};

/// A named value: graph inputs and outputs, what a launch stores, and (for the quantization table) weights.
struct Tensor {
  std::string name;
  ElementType type = ElementType::F32;
  /// Logical dimensions, as the network's author counts them. Each must be >= 1 over the whole range of the symbols.
  std::vector<DimExpr> dims;
  /// Logical dimension numbers in memory order, outermost first; empty: identity (row-major).
  std::vector<uint32_t> order;
  /// Storage extent of logical dimension i is dims[i] rounded up to this multiple (channels padded to 16); empty:
  /// all 1. Elements beyond the logical extent are unspecified.
  std::vector<int64_t> multiples;
  Scheme scheme;
};

/// Where a buffer of a launch lives.
enum class BufferKind : uint8_t {
  Arena = 0,  ///< `place` is the byte offset in the arena, a multiple of 64
  Weight = 1, ///< `place` is the number of a weight
  Input = 2,  ///< `place` is the number of an input of the entry point
  Output = 3, ///< `place` is the number of an output of the entry point; later launches may read it again
};

struct BufferRef {
  BufferKind kind = BufferKind::Arena;
  uint64_t place = 0;
  int32_t tensor = -1; ///< the value held, or -1 for a nameless temporary
  uint64_t bytes = 0;  ///< upper bound of the size when there is no tensor (arena only); ignored otherwise
};

/// One call of a kernel over all its tiles.
struct Launch {
  std::string name; ///< name of the op or region it came from; the key of profile and remarks
  uint32_t kernel = 0;
  std::vector<BufferRef> buffers;
  /// Numbers of the buffers that the kernel writes; those with a tensor are what `bw_debug` and the self-check see.
  std::vector<uint32_t> stores;
  std::vector<DimExpr> dims;
  DimExpr tiles = 1;        ///< >= 0
  DimExpr scratchBytes = 0; ///< per thread
  std::string note;         ///< free text for people: template and decision (`gemm 12x32, requant epilogue`)
  GpuLaunch gpu;            ///< the same call on a GPU; see Gpu.h
};

/// A function of the model. All entry points share the arena, so only one runs at a time in a session.
struct EntryPoint {
  std::string name = "main";
  std::vector<uint32_t> inputs;  ///< tensors; always dense row-major without `multiples`
  std::vector<uint32_t> outputs; ///< tensors; likewise
  std::vector<Launch> launches;  ///< in order; a launch sees everything that those before it stored
};

/// Code of one kernel for one instruction set level.
struct KernelVariant {
  Isa isa = Isa::Avx2;
  uint64_t offset = 0; ///< of the entry within the code segment of `isa`
  uint32_t flags = 0;  ///< none defined yet; must be 0
};

/// A kernel. The runtime takes the highest variant that the host runs; an `Avx2` variant must always be there.
struct Kernel {
  std::string name;
  std::vector<KernelVariant> variants;
};

/// The position-independent code of all kernels for one level. Entries are called at their offset and call nothing
/// outside.
struct CodeSegment {
  Isa isa = Isa::Avx2;
  Blob bytes;
  std::array<uint8_t, 32> digest = {}; ///< SHA-256 of `bytes`; set by the reader, ignored by the writer
};

/// All kernels of one GPU architecture: a cubin, or PTX text that the driver compiles for later devices.
struct GpuCode {
  GpuArch arch = GpuArch::Sm80;
  GpuCodeKind kind = GpuCodeKind::Cubin;
  Blob bytes;
  std::array<uint8_t, 32> digest = {}; ///< SHA-256 of `bytes`; set by the reader, ignored by the writer
};

/// Constant bytes in the order that the kernels read, stored once for all instruction sets.
struct Weight {
  std::string name;
  std::string layout; ///< for people: `s8 [N/16][K/4][16][4], N=120 K=480`
  Blob bytes;         ///< as kernels read them: a panel that the file packs is expanded here
  PackedCodes packed = {}; ///< what the file holds instead
};

/// Bytes that the file holds of it.
uint64_t storedBytes(const Weight &weight);

/// Expected checksum of one stored tensor, in the run of `SelfCheck`.
struct Checksum {
  uint32_t entry = 0;
  uint32_t launch = 0;
  uint32_t buffer = 0; ///< number of the buffer in the launch
  uint64_t value = 0;  ///< `checksumBytes` over the elements in logical row-major order
};

/// A probe run that any host repeats bit for bit: inputs are `fillProbe(seed, ...)`, dimensions `symbolValues`.
struct SelfCheck {
  bool present = false;
  uint64_t seed = 0;
  std::vector<int64_t> symbolValues; ///< one a symbol
  std::vector<Checksum> checksums;
};

struct Property {
  std::string key, value;
};

struct Model {
  std::vector<Symbol> symbols;
  std::vector<Tensor> tensors;
  std::vector<EntryPoint> entries;
  std::vector<Kernel> kernels;
  std::vector<CodeSegment> code; ///< at most one a level
  std::vector<Weight> weights;
  std::vector<GpuCode> gpuCode; ///< at most one an architecture and kind
  std::vector<GpuKernel> gpuKernels;
  std::vector<layout::Packing> packings;
  uint64_t arenaBytes = 0;          ///< without the slack, which the runtime adds
  std::vector<Property> provenance; ///< `tool`, `recipe`, `calibration-digest`, ...
  std::string plan;                 ///< JSON: allocation, remarks; not read by the runtime
  std::string listing;              ///< text of the `exec` IR that quant-opt reads; may be empty
  SelfCheck selfCheck;
};

/// The lowest version of the format that has what the model needs.
uint32_t requiredVersion(const Model &model);

/// Bytes that tensor `t` takes in memory (permutation does not matter, `multiples` do) as an expression / for given
/// symbol values / at most over all symbol values. The last is what arena planning must use: it is what the loader
/// checks. The latter two return false on overflow or a dimension < 1.
bool tensorBytes(const Tensor &t, const int64_t *symbols, size_t symbolCount, uint64_t &bytes);
bool tensorBytesBound(const Tensor &t, const std::vector<Symbol> &symbols, uint64_t &bytes);

/// Copies elements from memory order (`order`, `multiples`) to dense row-major logical order. `dims` are the evaluated
/// logical dimensions; `to` has the product of dims elements (bits rounded up to bytes; 4-bit types need identity
/// layout).
void toLogicalOrder(const Tensor &t, const int64_t *dims, const void *from, void *to);

/// The probe: `count` elements for input number `input`. Integers cover their whole range (Bool: 0 or 1; S64: 0..63, as
/// they are mostly indices), floats are uniform multiples of 2^-12 within the range of `scheme`, or [-1, 1) without
/// one. Generator: splitmix64 from seed + 2^32 * input, one step an element, the high bits used.
void fillProbe(const Tensor &t, uint64_t seed, unsigned input, size_t count, void *to);
/// FNV-1a, 64 bit.
uint64_t checksumBytes(const void *data, size_t size);

} // namespace bitwright::artifact
