//===- EmulatorTensor.cpp - ldmatrix, mma.sync, wgmma ------------------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// All kinds share one shape in words: 16 rows of A and n columns of B of 8 words along K (32 s8, 64 s4, 16 f16). Products
// are exact in float32; integer products of one instruction sum to less than 2^24, so float32 sums them exactly, and the
// accumulator wraps in int32. Float accumulators take the products in the order of k, one float32 rounding each.
// A row of A or column of B with poison makes poison of what depends on it and of nothing else.
//
//===----------------------------------------------------------------------===//

#include "dialects/Kernel/Device.h"
#include "lib/Numerics/Half.h"
#include "lib/Target/Nvptx/EmulatorMachine.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

using namespace mlir;
using namespace bitwright::nvptx;
using namespace bitwright::nvptx::emulator;
namespace kernel = bitwright::kernel;

namespace {

enum class Kind : uint8_t { S8, U8, S4, U4, F16, BF16 };
constexpr bool isInteger(Kind kind) { return kind < Kind::F16; }
unsigned elementsOfWord(Kind kind) { return isInteger(kind) ? (kind <= Kind::U8 ? 4 : 8) : 2; }

const float *halfTable() {
  static const std::vector<float> table = [] {
    std::vector<float> values(65536);
    for (unsigned i = 0; i < 65536; ++i)
      values[i] = bitwright::numerics::floatFromHalf(uint16_t(i));
    return values;
  }();
  return table.data();
}

/// The elements of 8 words as floats, `stride` apart.
void expand(Kind kind, const uint32_t *words, float *out, size_t stride) {
  const float *table = kind == Kind::F16 ? halfTable() : nullptr;
  for (unsigned w = 0; w < 8; ++w)
    switch (kind) {
    case Kind::S8:
      for (unsigned k = 0; k < 4; ++k, out += stride)
        *out = float(int8_t(words[w] >> (8 * k)));
      break;
    case Kind::U8:
      for (unsigned k = 0; k < 4; ++k, out += stride)
        *out = float(uint8_t(words[w] >> (8 * k)));
      break;
    case Kind::S4:
      for (unsigned k = 0; k < 8; ++k, out += stride)
        *out = float(int8_t((words[w] >> (4 * k) & 15) << 4) >> 4);
      break;
    case Kind::U4:
      for (unsigned k = 0; k < 8; ++k, out += stride)
        *out = float(words[w] >> (4 * k) & 15);
      break;
    case Kind::F16:
      for (unsigned k = 0; k < 2; ++k, out += stride)
        *out = table[words[w] >> (16 * k) & 0xffff];
      break;
    case Kind::BF16:
      for (unsigned k = 0; k < 2; ++k, out += stride)
        *out = bitwright::numerics::floatFromBfloat16(uint16_t(words[w] >> (16 * k)));
      break;
    }
}

/// c[r][n] += a[r][k] b[k][n], k in order.
__attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default"))) void
multiply(const float *a, const float *b, float *c, unsigned k, unsigned n) {
  for (unsigned r = 0; r < 16; ++r)
    for (unsigned j = 0; j < k; ++j) {
      float x = a[r * k + j];
      const float *row = b + size_t(j) * n;
      float *out = c + size_t(r) * n;
      for (unsigned i = 0; i < n; ++i)
        out[i] += x * row[i];
    }
}

/// Rows of the C fragment: n / 2 rows of 32 lanes. Element (row, column) of accumulator e and lane l.
inline unsigned rowOf(unsigned e, unsigned lane) { return lane / 4 + 8 * (e >> 1 & 1); }
inline unsigned columnOf(unsigned e, unsigned lane) { return (e >> 2) * 8 + lane % 4 * 2 + (e & 1); }

/// values (in and out) += a b for 16 x n. aPoison: rows; bPoison: columns.
void accumulate(Kind kind, const float *a, const float *b, unsigned k, unsigned n, uint32_t *values, uint32_t *poison,
                uint32_t aPoison, const std::vector<uint8_t> &bPoison, bool anyB) {
  thread_local std::vector<float> c;
  c.assign(size_t(16) * n, 0);
  if (!isInteger(kind))
    for (unsigned e = 0; e < n / 2; ++e)
      for (unsigned l = 0; l < lanes; ++l)
        c[rowOf(e, l) * n + columnOf(e, l)] = bitwright::numerics::floatFromBits(values[e * lanes + l]);
  multiply(a, b, c.data(), k, n);
  for (unsigned e = 0; e < n / 2; ++e)
    for (unsigned l = 0; l < lanes; ++l) {
      float x = c[rowOf(e, l) * n + columnOf(e, l)];
      uint32_t &value = values[e * lanes + l];
      value = isInteger(kind) ? value + uint32_t(int32_t(x)) : bitwright::numerics::floatBits(x);
    }
  if (aPoison || anyB)
    for (unsigned e = 0; e < n / 2; ++e)
      for (unsigned l = 0; l < lanes; ++l)
        poison[e] |= uint32_t((aPoison >> rowOf(e, l) & 1) | bPoison[columnOf(e, l)]) << l;
}

/// The A fragment's four rows as 16 x 8 words; returns the rows with poison.
uint32_t gatherA(const uint32_t *const rows[4], const uint32_t poison[4], uint32_t out[16][8]) {
  uint32_t bad = 0;
  for (unsigned l = 0; l < lanes; ++l)
    for (unsigned w = 0; w < 4; ++w) {
      unsigned r = l / 4 + 8 * (w & 1);
      out[r][l % 4 + 4 * (w >> 1)] = rows[w][l];
      bad |= (poison[w] >> l & 1) << r;
    }
  return bad;
}

bool noFlight(Warp &warp, const Instruction &i, uint64_t states) {
  if (!(states >> 32))
    return true;
  warp.fail(i, "reads a register that a wgmma in flight writes: expected a wait_group before it");
  return false;
}

//===--- ldmatrix, mma.sync ------------------------------------------------------------===//

void runLdmatrix(Warp &warp, const Instruction &i) { // count: matrices; number: 1 transposed
  if (warp.mask != all)
    return warp.fail(i, "expected all lanes of the warp at ldmatrix");
  const uint32_t *addresses = warp.row(i.a);
  if (warp.states[i.a] & (i.count == 4 ? all : (1u << 8 * i.count) - 1))
    return warp.fail(i, "expected defined addresses");
  for (unsigned m = 0; m < i.count; ++m) {
    uint8_t rows[8][16];
    uint8_t states[8][16];
    for (unsigned r = 0; r < 8; ++r) {
      unsigned lane = m * 8 + r;
      Cta *cta;
      uint32_t offset;
      if (addresses[lane] % 16)
        return warp.fail(i, llvm::formatv("expected a row aligned to 16 bytes, found {0:x}", addresses[lane]), int(lane));
      if (!locateShared(warp, i, addresses[lane], 16, lane, cta, offset))
        return;
      std::memcpy(rows[r], cta->shared.data() + offset, 16);
      std::memcpy(states[r], cta->state.data() + offset, 16);
      for (uint8_t state : states[r])
        if (state & (InFlight | BarrierByte))
          return warp.fail(i, llvm::formatv("reads shared memory at offset {0} that {1}", offset,
                                            state & InFlight ? "an asynchronous copy is still writing" : "is an mbarrier"), int(lane));
    }
    uint32_t *d = warp.row(i.dst + m), poison = 0;
    for (unsigned l = 0; l < lanes; ++l) {
      uint8_t bad = 0;
      if (!i.number) {
        std::memcpy(d + l, rows[l / 4] + l % 4 * 4, 4);
        for (unsigned k = 0; k < 4; ++k)
          bad |= states[l / 4][l % 4 * 4 + k];
      } else {
        uint16_t low, high;
        std::memcpy(&low, rows[l % 4 * 2] + l / 4 * 2, 2);
        std::memcpy(&high, rows[l % 4 * 2 + 1] + l / 4 * 2, 2);
        d[l] = low | uint32_t(high) << 16;
        for (unsigned k = 0; k < 2; ++k)
          bad |= states[l % 4 * 2][l / 4 * 2 + k] | states[l % 4 * 2 + 1][l / 4 * 2 + k];
      }
      poison |= uint32_t(bad != 0) << l;
    }
    warp.states[i.dst + m] = poison;
  }
}

/// more: rows of a (4), b (2), c (4); number: kinds of a and b.
void runMma(Warp &warp, const Instruction &i) {
  if (warp.mask != all)
    return warp.fail(i, "expected all lanes of the warp at mma.sync");
  const uint32_t *at = warp.machine->more(i);
  Kind kindA = Kind(i.number & 0xff), kindB = Kind(i.number >> 8 & 0xff);
  uint64_t states = 0;
  for (unsigned k = 0; k < 10; ++k)
    states |= warp.states[at[k]];
  if (!noFlight(warp, i, states))
    return;
  const uint32_t *aRows[4];
  uint32_t aPoison[4], words[16][8], columns[8][8];
  for (unsigned k = 0; k < 4; ++k)
    aRows[k] = warp.row(at[k]), aPoison[k] = warp.poison(at[k]);
  uint32_t bad = gatherA(aRows, aPoison, words);
  std::vector<uint8_t> badColumns(8);
  uint32_t anyB = warp.poison(at[4]) | warp.poison(at[5]);
  for (unsigned l = 0; l < lanes; ++l)
    for (unsigned w = 0; w < 2; ++w) {
      columns[l / 4][l % 4 + 4 * w] = warp.row(at[4 + w])[l];
      badColumns[l / 4] |= warp.poison(at[4 + w]) >> l & 1;
    }
  unsigned k = 8 * elementsOfWord(kindA);
  float a[16 * 64], b[64 * 8];
  for (unsigned r = 0; r < 16; ++r)
    expand(kindA, words[r], a + r * k, 1);
  for (unsigned c = 0; c < 8; ++c)
    expand(kindB, columns[c], b + c, 8);
  uint32_t values[4 * lanes], poison[4];
  for (unsigned e = 0; e < 4; ++e) {
    std::memcpy(values + e * lanes, warp.row(at[6 + e]), lanes * 4);
    poison[e] = warp.poison(at[6 + e]);
  }
  accumulate(kindA, a, b, k, 8, values, poison, bad, badColumns, anyB != 0);
  for (unsigned e = 0; e < 4; ++e) {
    std::memcpy(warp.row(i.dst + e), values + e * lanes, lanes * 4);
    warp.states[i.dst + e] = poison[e];
  }
}

//===--- wgmma -----------------------------------------------------------------------------===//

uint64_t tagOf(uint32_t number, unsigned element) { return uint64_t(number << 7 | element) << 32 | all; }

/// a, b: rows of the descriptors (a: ~0 with registers); more: n / 2 rows in, n / 2 rows out, 4 rows of A;
/// count: n; number: integer | bf16 << 1 | zero << 2.
void runWgmma(Warp &warp, const Instruction &i) {
  if (warp.mask != all)
    return warp.fail(i, "expected all lanes of the warp at wgmma");
  if (warp.cta->warps.size() % 4)
    return warp.fail(i, "expected whole warpgroups of 128 threads");
  if (!warp.defined(i, i.b, "the descriptor of B"))
    return;
  bool registers = i.a == ~0u;
  if (!registers && !warp.defined(i, i.a, "the descriptor of A"))
    return;
  unsigned rows = i.count / 2, part = warp.index % 4;
  const uint32_t *in = warp.machine->more(i), *out = in + rows, *fragment = out + rows;
  WarpGroup &group = warp.cta->groups[warp.index / 4];
  uint32_t number = warp.wgmmaNext++;
  size_t at = number - group.first;
  if (at == group.queue.size())
    group.queue.emplace_back();
  WgmmaEntry &entry = group.queue[at];
  uint64_t a = registers ? 0 : warp.wide(i.a)[0], b = warp.wide(i.b)[0];
  for (unsigned l = 1; l < lanes; ++l)
    if (warp.wide(i.b)[l] != b || (!registers && warp.wide(i.a)[l] != a))
      return warp.fail(i, "expected the same descriptor in all lanes", int(l));
  bool integer = i.number & 1, bf16 = i.number & 2, zero = i.number & 4;
  if (entry.issued && (entry.op != i.op || entry.a != a || entry.b != b))
    return warp.fail(i, "expected the same wgmma with the same descriptors in the four warps of a warpgroup");
  entry.op = i.op, entry.n = i.count, entry.a = a, entry.b = b, entry.registers = registers;
  entry.integer = integer, entry.bf16 = bf16, entry.zero = zero;
  entry.issued |= 1u << part;
  WgmmaEntry::Part &mine = entry.parts[part];
  if (registers) {
    mine.words.resize(4 * lanes);
    for (unsigned k = 0; k < 4; ++k) {
      if (!noFlight(warp, i, warp.states[fragment[k]]))
        return;
      std::memcpy(&mine.words[k * lanes], warp.row(fragment[k]), lanes * 4);
      mine.aPoison[k] = warp.poison(fragment[k]);
    }
  }
  mine.values.assign(size_t(rows) * lanes, 0);
  mine.poison.assign(rows, 0);
  if (!zero) {
    uint32_t tag = uint32_t(warp.states[in[0]] >> 32), source = tag >> 7;
    for (unsigned e = 0; e < rows; ++e) {
      uint32_t found = uint32_t(warp.states[in[e]] >> 32);
      if (found != (tag ? source << 7 | e : 0))
        return warp.fail(i, "expected accumulators that are complete, or all those of one wgmma in flight in their order");
      if (!tag) {
        std::memcpy(&mine.values[e * lanes], warp.row(in[e]), lanes * 4);
        mine.poison[e] = warp.poison(in[e]);
      }
    }
    if (tag)
      mine.source = source;
  }
  for (unsigned e = 0; e < rows; ++e)
    warp.states[out[e]] = tagOf(number, e);
}

void runWgmmaCommit(Warp &warp, const Instruction &) { warp.wgmmaGroups.push_back(warp.wgmmaNext); }

/// Row `row` of a K-major tile with 128-byte swizzle: 32 bytes.
bool readRow(Warp &warp, const Instruction &i, uint64_t descriptor, unsigned row, uint32_t *words, bool &poison) {
  uint32_t start = uint32_t(descriptor & 0x3fff) << 4, stride = uint32_t(descriptor >> 32 & 0x3fff) << 4;
  for (unsigned half = 0; half < 2; ++half) {
    uint32_t address = start + row / 8 * stride + row % 8 * 128 + half * 16;
    address ^= (address >> 7 & 7) << 4;
    Cta *cta;
    uint32_t offset;
    if (!locateShared(warp, i, address, 16, 0, cta, offset))
      return false;
    std::memcpy(words + half * 4, cta->shared.data() + offset, 16);
    for (unsigned k = 0; k < 16; ++k) {
      uint8_t state = cta->state[offset + k];
      if (state & (InFlight | BarrierByte)) {
        warp.fail(i, llvm::formatv("wgmma reads row {0} of an operand at shared offset {1} that {2}", row, offset,
                                   state & InFlight ? "an asynchronous copy is writing: its stage was released before a "
                                                      "wait_group that covers this wgmma, or is not full yet"
                                                    : "is an mbarrier"));
        return false;
      }
      poison |= state != 0;
    }
  }
  return true;
}

bool execute(Warp &warp, const Instruction &at, WarpGroup &group, WgmmaEntry &entry) {
  Instruction i = at;
  i.op = entry.op;
  Kind kind = entry.integer ? Kind::S8 : entry.bf16 ? Kind::BF16 : Kind::F16;
  unsigned k = 8 * elementsOfWord(kind), n = entry.n;
  for (uint64_t descriptor : {entry.a, entry.b})
    if ((descriptor != entry.a || !entry.registers) && (descriptor >> 62 != 1 || (descriptor >> 49 & 7))) {
      warp.fail(i, llvm::formatv("expected a descriptor with 128-byte swizzle and no base offset, found {0:x}", descriptor));
      return false;
    }
  thread_local std::vector<float> b;
  b.resize(size_t(k) * n);
  std::vector<uint8_t> badColumns(n);
  bool anyB = false;
  for (unsigned c = 0; c < n; ++c) {
    uint32_t words[8];
    bool bad = false;
    if (!readRow(warp, i, entry.b, c, words, bad))
      return false;
    badColumns[c] = bad, anyB |= bad;
    expand(kind, words, b.data() + c, n);
  }
  for (unsigned p = 0; p < 4; ++p) {
    WgmmaEntry::Part &part = entry.parts[p];
    if (part.source >= 0) {
      size_t index = size_t(part.source) - group.first;
      assert(index < group.queue.size() && group.queue[index].executed);
      part.values = group.queue[index].parts[p].values;
      part.poison = group.queue[index].parts[p].poison;
      part.source = -1;
    }
    uint32_t words[16][8], bad = 0;
    if (entry.registers) {
      const uint32_t *rows[4] = {&part.words[0], &part.words[lanes], &part.words[2 * lanes], &part.words[3 * lanes]};
      bad = gatherA(rows, part.aPoison, words);
    } else {
      for (unsigned r = 0; r < 16; ++r) {
        bool poison = false;
        if (!readRow(warp, i, entry.a, p * 16 + r, words[r], poison))
          return false;
        bad |= uint32_t(poison) << r;
      }
    }
    float a[16 * 32];
    for (unsigned r = 0; r < 16; ++r)
      expand(kind, words[r], a + r * k, 1);
    accumulate(kind, a, b.data(), k, n, part.values.data(), part.poison.data(), bad, badColumns, anyB);
  }
  entry.executed = true;
  return true;
}

void runWgmmaWait(Warp &warp, const Instruction &i) { // number: groups that may stay pending
  size_t groups = warp.wgmmaGroups.size();
  if (groups <= size_t(i.number))
    return;
  uint32_t limit = warp.wgmmaGroups[groups - size_t(i.number) - 1];
  WarpGroup &group = warp.cta->groups[warp.index / 4];
  for (uint32_t number = std::max(group.first, warp.wgmmaTaken); number < limit; ++number)
    if (group.queue[number - group.first].issued != 15)
      return warp.block([&] {
        return llvm::formatv("the other warps of its warpgroup to issue wgmma number {0}", number).str();
      });
  for (uint32_t number = group.first; number < limit; ++number)
    if (WgmmaEntry &entry = group.queue[number - group.first]; !entry.executed && !execute(warp, i, group, entry))
      return;
  unsigned part = warp.index % 4;
  uint32_t rows = warp.machine->program->rows;
  for (uint32_t r = 0; r < rows; ++r) {
    uint32_t tag = uint32_t(warp.states[r] >> 32);
    if (LLVM_LIKELY(!tag) || tag >> 7 >= limit)
      continue;
    // A register that was given up keeps its tag; its number may have left the queue.
    if (tag >> 7 < group.first) {
      warp.states[r] = all;
      continue;
    }
    WgmmaEntry::Part &from = group.queue[(tag >> 7) - group.first].parts[part];
    std::memcpy(warp.row(r), &from.values[size_t(tag & 127) * lanes], lanes * 4);
    warp.states[r] = from.poison[tag & 127];
  }
  for (uint32_t number = warp.wgmmaTaken; number < limit; ++number)
    group.queue[number - group.first].taken |= 1u << part;
  warp.wgmmaTaken = std::max(warp.wgmmaTaken, limit);
  warp.wgmmaGroups.erase(warp.wgmmaGroups.begin(), warp.wgmmaGroups.begin() + long(groups - size_t(i.number)));
  while (!group.queue.empty() && group.queue.front().taken == 15) {
    for (size_t k = 1; k < group.queue.size(); ++k)
      for (unsigned p = 0; p < 4; ++p)
        if (WgmmaEntry::Part &later = group.queue[k].parts[p]; later.source == int64_t(group.first)) {
          later.values = group.queue.front().parts[p].values;
          later.poison = group.queue.front().parts[p].poison;
          later.source = -1;
        }
    group.queue.pop_front();
    ++group.first;
  }
}

std::optional<Kind> kindOf(NVVM::MMATypes type) {
  switch (type) {
  case NVVM::MMATypes::s8: return Kind::S8;
  case NVVM::MMATypes::u8: return Kind::U8;
  case NVVM::MMATypes::s4: return Kind::S4;
  case NVVM::MMATypes::u4: return Kind::U4;
  case NVVM::MMATypes::f16: return Kind::F16;
  case NVVM::MMATypes::bf16: return Kind::BF16;
  default: return std::nullopt;
  }
}

} // namespace

bool emulator::isWordOfHalves(Value value) {
  auto cast = value.getDefiningOp<LLVM::BitcastOp>();
  return cast && cast.getArg().getType().isInteger(32) && isa<VectorType>(cast.getType()) &&
         llvm::all_of(value.getUsers(), [](Operation *user) { return isa<NVVM::MmaOp>(user); });
}

bool emulator::decodeTensor(Decoder &decoder, Operation *op) {
  if (auto load = dyn_cast<NVVM::LdMatrixOp>(op)) {
    if (load.getEltType() != NVVM::LdStMatrixEltType::B16)
      return false;
    uint32_t a = decoder.use(load.getPtr()), dst = decoder.define(load.getRes());
    Instruction &i = decoder.emit(runLdmatrix, op);
    i.a = a, i.dst = dst, i.count = load.getNum(), i.number = load.getLayout() == NVVM::MMALayout::col;
    return true;
  }
  if (auto mma = dyn_cast<NVVM::MmaOp>(op)) {
    auto a = mma.getMultiplicandAPtxType(), b = mma.getMultiplicandBPtxType();
    auto kindA = a ? kindOf(*a) : std::nullopt, kindB = b ? kindOf(*b) : std::nullopt;
    if (!kindA || !kindB || mma.getOperandA().size() != 4 || mma.getOperandB().size() != 2 || mma.getOperandC().size() != 4 ||
        elementsOfWord(*kindA) != elementsOfWord(*kindB) || isInteger(*kindA) != isInteger(*kindB))
      return false;
    if (mma.getIntOverflowBehavior() == NVVM::MMAIntOverflow::satfinite)
      return false;
    SmallVector<uint32_t> list;
    for (ValueRange group : {ValueRange(mma.getOperandA()), ValueRange(mma.getOperandB()), ValueRange(mma.getOperandC())})
      for (Value value : group) {
        if (isWordOfHalves(value))
          value = value.getDefiningOp<LLVM::BitcastOp>().getArg();
        if (rowsOf(value.getType()) != 1)
          return false;
        list.push_back(decoder.use(value));
      }
    uint32_t more = decoder.addMore(list), dst = decoder.define(mma.getRes());
    Instruction &i = decoder.emit(runMma, op);
    i.more = more, i.count = 10, i.dst = dst, i.number = int64_t(*kindA) | int64_t(*kindB) << 8;
    return true;
  }
  if (auto mma = dyn_cast<NVVM::WgmmaMmaAsyncOp>(op)) {
    auto a = mma.getTypeA();
    bool integer = a == NVVM::WGMMATypes::s8, bf16 = a == NVVM::WGMMATypes::bf16;
    if ((!integer && !bf16 && a != NVVM::WGMMATypes::f16) || mma.getTypeB() != a || mma.getSatfinite() ||
        mma.getLayoutA() != NVVM::MMALayout::row || mma.getLayoutB() != NVVM::MMALayout::col ||
        mma.getScaleA() != NVVM::WGMMAScaleIn::one || mma.getScaleB() != NVVM::WGMMAScaleIn::one ||
        (mma.getTypeD() != NVVM::WGMMATypes::s32 && mma.getTypeD() != NVVM::WGMMATypes::f32))
      return false;
    unsigned n = unsigned(mma.getShape().getN());
    if (mma.getShape().getM() != 64 || rowsOf(mma.getInouts().getType()) != n / 2)
      return false;
    uint32_t in = decoder.use(mma.getInouts()), descriptorA = decoder.use(mma.getDescriptorA()),
             descriptorB = decoder.use(mma.getDescriptorB()), out = decoder.define(mma.getResults());
    SmallVector<uint32_t> list;
    for (unsigned e = 0; e < n / 2; ++e)
      list.push_back(in + e);
    for (unsigned e = 0; e < n / 2; ++e)
      list.push_back(out + e);
    uint32_t more = decoder.addMore(list);
    Instruction &i = decoder.emit(runWgmma, op);
    i.a = descriptorA, i.b = descriptorB, i.more = more, i.count = n;
    i.number = integer | bf16 << 1 | (mma.getScaleD() == NVVM::WGMMAScaleOut::zero) << 2;
    return true;
  }
  if (auto mma = dyn_cast<kernel::WgmmaRsOp>(op)) {
    unsigned n = unsigned(mma.getN());
    if (mma.getAccumulators().size() != n / 2)
      return false;
    SmallVector<uint32_t> list;
    for (Value value : mma.getAccumulators())
      list.push_back(decoder.use(value));
    SmallVector<uint32_t> fragment = {decoder.use(mma.getA0()), decoder.use(mma.getA1()), decoder.use(mma.getA2()), decoder.use(mma.getA3())};
    uint32_t descriptor = decoder.use(mma.getDescriptor());
    for (Value value : mma.getOutputs())
      list.push_back(decoder.define(value));
    list.append(fragment);
    uint32_t more = decoder.addMore(list);
    Instruction &i = decoder.emit(runWgmma, op);
    i.a = ~0u, i.b = descriptor, i.more = more, i.count = n;
    i.number = mma.getType().isInteger() | mma.getType().isBF16() << 1 | mma.getZero() << 2;
    return true;
  }
  if (isa<NVVM::WgmmaFenceAlignedOp>(op))
    return true;
  if (isa<NVVM::WgmmaGroupSyncAlignedOp>(op))
    return decoder.emit(runWgmmaCommit, op).run != nullptr;
  if (auto wait = dyn_cast<NVVM::WgmmaWaitGroupSyncOp>(op)) {
    decoder.emit(runWgmmaWait, op).number = int64_t(wait.getGroup());
    return true;
  }
  return false;
}
