//===- EmulatorMemory.cpp - loads, stores and copies ------------------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// Every access is checked for alignment and bounds. A byte of shared memory or of a result knows whether it was
// written and whether an asynchronous copy is on its way to it. Bytes that nobody wrote load as poison from shared
// memory (garbage rows of a tile may go through the tensor cores, as long as nothing of them is stored), and are an error
// in a result.
//
//===----------------------------------------------------------------------===//

#include "dialects/Kernel/Device.h"
#include "lib/Target/Nvptx/EmulatorMachine.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

using namespace mlir;
using namespace bitwright::nvptx;
using namespace bitwright::nvptx::emulator;
namespace kernel = bitwright::kernel;

bool emulator::locateShared(Warp &warp, const Instruction &at, uint32_t address, uint64_t bytes, unsigned lane,
                            Cta *&cta, uint32_t &offset) {
  uint32_t window = address >> windowBits;
  cta = window == 0 ? warp.cta : window <= warp.cluster->ctas.size() ? &warp.cluster->ctas[window - 1] : nullptr;
  uint32_t local = address & ((1u << windowBits) - 1);
  if (!cta || local < sharedBase || local - sharedBase + bytes > cta->shared.size()) {
    warp.fail(at,
              llvm::formatv("expected {0} bytes inside the {1} of shared memory, found the address {2:x}{3}", bytes,
                            warp.cta->shared.size(), address,
                            cta ? llvm::formatv(" (offset {0})", int64_t(local) - sharedBase).str() : std::string()),
              int(lane));
    return false;
  }
  offset = local - sharedBase;
  if (cta != warp.cta && cta->ended()) {
    warp.fail(at, llvm::formatv("reaches the shared memory of CTA ({0}, {1}), which has ended", cta->x, cta->y), int(lane));
    return false;
  }
  return true;
}

bool emulator::locateGlobal(Warp &warp, const Instruction &at, uint64_t address, uint64_t bytes, unsigned lane,
                            unsigned &buffer, uint64_t &offset) {
  uint64_t number = address >> bufferShift;
  Machine &machine = *warp.machine;
  if (number == 0 || number > machine.globals.size() || !machine.globals[number - 1].bytes) {
    warp.fail(at, llvm::formatv("expected the address of a buffer, found {0:x}", address), int(lane));
    return false;
  }
  buffer = unsigned(number - 1);
  offset = (address & ((uint64_t(1) << bufferShift) - 1)) - bufferBias;
  uint64_t size = machine.globals[buffer].bytes->size();
  if (offset > size || bytes > size - offset) {
    warp.fail(at,
              llvm::formatv("expected {0} bytes inside the {1} of parameter {2}, found offset {3}", bytes, size, buffer,
                            int64_t(offset)),
              int(lane));
    return false;
  }
  return true;
}

namespace {

uint8_t unionOf(const uint8_t *state, unsigned bytes) {
  uint8_t result = 0;
  while (bytes >= 8) {
    uint64_t word;
    std::memcpy(&word, state, 8);
    if (word)
      for (unsigned k = 0; k < 8; ++k)
        result |= state[k];
    state += 8, bytes -= 8;
  }
  for (unsigned k = 0; k < bytes; ++k)
    result |= state[k];
  return result;
}

bool aligned(Warp &warp, const Instruction &i, uint64_t address, uint64_t alignment, unsigned lane) {
  if (LLVM_LIKELY(address % alignment == 0))
    return true;
  warp.fail(i, llvm::formatv("expected an address aligned to {0} bytes, found {1:x}", alignment, address), int(lane));
  return false;
}

/// number: element bytes | elements << 8 | alignment << 16; count 1: shared.
struct Shape {
  unsigned element, elements, alignment, bytes;
  explicit Shape(const Instruction &i)
      : element(i.number & 0xff), elements(i.number >> 8 & 0xff), alignment(unsigned(i.number >> 16)),
        bytes(element * elements) {}
};

/// The bytes that lane `lane` reads; null after an error. `state` gets the union of their states.
const uint8_t *reading(Warp &warp, const Instruction &i, bool shared, uint64_t address, unsigned bytes, unsigned lane,
                       uint8_t &state, const uint8_t *&states) {
  states = nullptr;
  if (shared) {
    Cta *cta;
    uint32_t offset;
    if (!locateShared(warp, i, uint32_t(address), bytes, lane, cta, offset))
      return nullptr;
    state = unionOf(cta->state.data() + offset, bytes);
    if (LLVM_UNLIKELY(state & (InFlight | BarrierByte))) {
      warp.fail(i,
                llvm::formatv(state & InFlight ? "reads shared memory at offset {0} that an asynchronous copy is still writing"
                                               : "reads shared memory at offset {0} that is an mbarrier",
                              offset),
                int(lane));
      return nullptr;
    }
    states = cta->state.data() + offset;
    return cta->shared.data() + offset;
  }
  unsigned buffer;
  uint64_t offset;
  if (!locateGlobal(warp, i, address, bytes, lane, buffer, offset))
    return nullptr;
  Global &global = warp.machine->globals[buffer];
  state = 0;
  if (!global.state.empty() && unionOf(global.state.data() + offset, bytes)) {
    warp.fail(i, llvm::formatv("reads bytes of the result in parameter {0} at offset {1} that nobody wrote", buffer, offset),
              int(lane));
    return nullptr;
  }
  return global.bytes->data() + offset;
}

void runLoad(Warp &warp, const Instruction &i) {
  Shape shape(i);
  bool shared = i.count;
  if (!warp.defined(i, i.a, "the address"))
    return;
  unsigned rows = shape.element == 8 ? 2 : 1;
  for (unsigned e = 0; e < shape.elements; ++e)
    warp.states[i.dst + e * rows] = 0;
  for (uint32_t rest = warp.mask; rest; rest &= rest - 1) {
    unsigned lane = unsigned(__builtin_ctz(rest));
    uint64_t address = shared ? warp.row(i.a)[lane] : warp.wide(i.a)[lane];
    address += uint64_t(int64_t(int32_t(i.target)));
    if (!aligned(warp, i, address, shape.alignment, lane))
      return;
    uint8_t state;
    const uint8_t *states, *bytes = reading(warp, i, shared, address, shape.bytes, lane, state, states);
    if (!bytes)
      return;
    if (state)
      for (unsigned e = 0; e < shape.elements; ++e)
        warp.states[i.dst + e * rows] |= uint32_t(unionOf(states + e * shape.element, shape.element) != 0) << lane;
    if (shape.element == 4) {
      for (unsigned e = 0; e < shape.elements; ++e)
        std::memcpy(warp.row(i.dst + e) + lane, bytes + 4 * e, 4);
    } else {
      for (unsigned e = 0; e < shape.elements; ++e) {
        uint64_t value = 0;
        std::memcpy(&value, bytes + e * shape.element, shape.element);
        if (rows == 2)
          warp.wide(i.dst + e * 2)[lane] = value;
        else
          warp.row(i.dst + e)[lane] = uint32_t(value);
      }
    }
  }
}

/// Writes `size` bytes of one lane.
bool writing(Warp &warp, const Instruction &i, bool shared, uint64_t address, const uint8_t *bytes, unsigned size,
             bool poison, unsigned lane) {
  if (shared) {
    Cta *cta;
    uint32_t offset;
    if (!locateShared(warp, i, uint32_t(address), size, lane, cta, offset))
      return false;
    uint8_t state = unionOf(cta->state.data() + offset, size);
    if (state & (InFlight | BarrierByte)) {
      warp.fail(i,
                llvm::formatv(state & InFlight ? "writes shared memory at offset {0} that an asynchronous copy is still writing"
                                               : "writes shared memory at offset {0} that is an mbarrier",
                              offset),
                int(lane));
      return false;
    }
    std::memcpy(cta->shared.data() + offset, bytes, size);
    std::memset(cta->state.data() + offset, poison ? Unwritten : Written, size);
    return true;
  }
  unsigned buffer;
  uint64_t offset;
  if (!locateGlobal(warp, i, address, size, lane, buffer, offset))
    return false;
  Global &global = warp.machine->globals[buffer];
  if (global.state.empty()) {
    warp.fail(i, llvm::formatv("writes to parameter {0}, which is no result", buffer), int(lane));
    return false;
  }
  if (poison) {
    warp.fail(i, llvm::formatv("stores an undefined value to the result in parameter {0} at offset {1}", buffer, offset),
              int(lane));
    return false;
  }
  std::memcpy(global.bytes->data() + offset, bytes, size);
  std::memset(global.state.data() + offset, Written, size);
  if (global.writers)
    std::fill_n(global.writers->data() + offset, size, 1 + warp.cta->number * 1024 + warp.index * lanes + lane);
  return true;
}

bool notInFlight(Warp &warp, const Instruction &i, uint64_t states) {
  if (LLVM_LIKELY(!(states >> 32)))
    return true;
  warp.fail(i, "stores a register that a wgmma in flight writes: expected a wait_group before it");
  return false;
}

void runStore(Warp &warp, const Instruction &i) { // dst: the value's rows
  Shape shape(i);
  bool shared = i.count;
  if (!warp.defined(i, i.a, "the address"))
    return;
  unsigned rows = shape.element == 8 ? 2 : 1;
  uint64_t states = 0;
  for (unsigned e = 0; e < shape.elements; ++e)
    states |= warp.states[i.dst + e * rows];
  if (!notInFlight(warp, i, states))
    return;
  for (uint32_t rest = warp.mask; rest; rest &= rest - 1) {
    unsigned lane = unsigned(__builtin_ctz(rest));
    uint64_t address = shared ? warp.row(i.a)[lane] : warp.wide(i.a)[lane];
    if (!aligned(warp, i, address, shape.alignment, lane))
      return;
    uint8_t bytes[256];
    bool poison = states >> lane & 1;
    for (unsigned e = 0; e < shape.elements; ++e)
      if (rows == 2)
        std::memcpy(bytes + e * 8, warp.wide(i.dst + e * 2) + lane, 8);
      else
        std::memcpy(bytes + e * shape.element, warp.row(i.dst + e) + lane, shape.element);
    // Elements apart where some are poison: the others stay defined in shared memory.
    if (poison && shared && shape.elements > 1) {
      for (unsigned e = 0; e < shape.elements; ++e)
        if (!writing(warp, i, shared, address + e * shape.element, bytes + e * shape.element, shape.element,
                     warp.poison(i.dst + e * rows) >> lane & 1, lane))
          return;
      continue;
    }
    if (!writing(warp, i, shared, address, bytes, shape.bytes, poison, lane))
      return;
  }
}

void runStoreIf(Warp &warp, const Instruction &i) { // a pointer, b condition; more: rows of the words
  if (!warp.defined(i, i.b, "the condition"))
    return;
  const uint32_t *words = warp.machine->more(i);
  for (uint32_t rest = warp.mask; rest; rest &= rest - 1) {
    unsigned lane = unsigned(__builtin_ctz(rest));
    if (!(warp.row(i.b)[lane] & 1))
      continue;
    if (warp.poison(i.a) >> lane & 1)
      return warp.fail(i, "expected a defined address, found one that depends on undefined values", int(lane));
    uint64_t address = warp.wide(i.a)[lane] + uint64_t(i.number);
    if (!aligned(warp, i, address, 4 * i.count, lane))
      return;
    uint32_t values[4];
    uint64_t states = 0;
    for (unsigned e = 0; e < i.count; ++e)
      values[e] = warp.row(words[e])[lane], states |= warp.states[words[e]];
    if (!notInFlight(warp, i, states) || !writing(warp, i, false, address, reinterpret_cast<uint8_t *>(values),
                                                  4 * i.count, states >> lane & 1, lane))
      return;
  }
}

/// dst = a + sum of b_k * scale_k + number. more: (row, scale, is 64-bit)...
template <bool narrow> void runGep(Warp &warp, const Instruction &i) {
  const uint32_t *list = warp.machine->more(i);
  uint64_t states = warp.states[i.a];
  if (narrow) {
    uint32_t *d = warp.row(i.dst);
    const uint32_t *a = warp.row(i.a);
    for (unsigned l = 0; l < lanes; ++l)
      d[l] = a[l] + uint32_t(i.number);
    for (unsigned k = 0; k < i.count; ++k, list += 3) {
      const uint32_t *index = warp.row(list[0]);
      for (unsigned l = 0; l < lanes; ++l)
        d[l] += index[list[2] ? 2 * l : l] * list[1];
      states |= warp.states[list[0]];
    }
  } else {
    uint64_t *d = warp.wide(i.dst);
    const uint64_t *a = warp.wide(i.a);
    for (unsigned l = 0; l < lanes; ++l)
      d[l] = a[l] + uint64_t(i.number);
    for (unsigned k = 0; k < i.count; ++k, list += 3) {
      if (list[2]) {
        const uint64_t *index = warp.wide(list[0]);
        for (unsigned l = 0; l < lanes; ++l)
          d[l] += index[l] * list[1];
      } else {
        const uint32_t *index = warp.row(list[0]);
        for (unsigned l = 0; l < lanes; ++l)
          d[l] += uint64_t(int64_t(int32_t(index[l]))) * list[1];
      }
      states |= warp.states[list[0]];
    }
  }
  warp.states[i.dst] = uint32_t(states);
}

//===--- cp.async --------------------------------------------------------------------===//

void runCopyAsync(Warp &warp, const Instruction &i) { // a destination, b source, c source bytes (count 1); number bytes
  if (!warp.defined(i, i.a, "the destination"))
    return;
  for (uint32_t rest = warp.mask; rest; rest &= rest - 1) {
    unsigned lane = unsigned(__builtin_ctz(rest));
    uint32_t destination = warp.row(i.a)[lane], bytes = uint32_t(i.number), from = bytes;
    if (i.count) {
      if (warp.poison(i.c) >> lane & 1)
        return warp.fail(i, "expected a defined number of bytes to copy", int(lane));
      from = warp.row(i.c)[lane];
    }
    if (from > bytes)
      return warp.fail(i, llvm::formatv("expected at most {0} source bytes, found {1}", bytes, from), int(lane));
    Cta *cta;
    uint32_t offset;
    if (!aligned(warp, i, destination, bytes, lane) || !locateShared(warp, i, destination, bytes, lane, cta, offset))
      return;
    const uint8_t *source = nullptr;
    if (from) {
      if (warp.poison(i.b) >> lane & 1)
        return warp.fail(i, "expected a defined source address", int(lane));
      unsigned buffer;
      uint64_t at;
      uint64_t address = warp.wide(i.b)[lane];
      // The hardware wants the alignment of the whole copy also where fewer bytes are read, and reads all of them
      // (compute-sanitizer sees it).
      if (!aligned(warp, i, address, bytes, lane) || !locateGlobal(warp, i, address, bytes, lane, buffer, at))
        return;
      source = warp.machine->globals[buffer].bytes->data() + at;
    }
    uint8_t state = unionOf(cta->state.data() + offset, bytes);
    if (state & (InFlight | BarrierByte))
      return warp.fail(i, llvm::formatv("copies to shared memory at offset {0} that {1}", offset,
                                        state & InFlight ? "an asynchronous copy is still writing" : "is an mbarrier"),
                       int(lane));
    std::memset(cta->state.data() + offset, InFlight, bytes);
    warp.copies.push_back({warp.copyGroup, uint8_t(lane), uint8_t(bytes), uint8_t(from), offset, source});
  }
}
void runCopyCommit(Warp &warp, const Instruction &i) {
  if (warp.mask != all)
    return warp.fail(i, "expected all lanes of the warp at cp.async.commit_group (the emulator counts groups a warp)");
  ++warp.copyGroup;
}
void runCopyWait(Warp &warp, const Instruction &i) {
  if (warp.mask != all)
    return warp.fail(i, "expected all lanes of the warp at cp.async.wait_group (the emulator counts groups a warp)");
  // Group g is complete when at most `number` younger groups are pending.
  size_t kept = 0;
  for (LaneCopy &copy : warp.copies) {
    if (i.number < 0 ? false : int64_t(copy.group) >= int64_t(warp.copyGroup) - i.number) {
      warp.copies[kept++] = copy;
      continue;
    }
    uint8_t *to = warp.cta->shared.data() + copy.destination;
    if (copy.sourceBytes)
      std::memcpy(to, copy.source, copy.sourceBytes);
    std::memset(to + copy.sourceBytes, 0, copy.bytes - copy.sourceBytes);
    std::memset(warp.cta->state.data() + copy.destination, Written, copy.bytes);
  }
  warp.copies.resize(kept);
}

//===--- TMA, bulk copies, st.async ---------------------------------------------------===//

/// Calls f(shared offset of the bytes, source offset or -1 for zeros, bytes) for each row of a box.
template <typename F> void forBox(const AsyncCopy &copy, F f) {
  const TensorMap &map = copy.map->map;
  int64_t size = map.elementBits / 8;
  int64_t columns = map.boxColumns, rows = map.boxRows, blocks = map.rank == 3 ? map.boxBlocks : 1;
  const int64_t *dims = copy.map->dims.data(), *strides = copy.map->strideBytes.data();
  // Strides are those of cuTensorMapEncodeTiled: of dimensions 1 and up.
  uint32_t linear = copy.destination;
  for (int64_t z = 0; z < blocks; ++z)
    for (int64_t y = 0; y < rows; ++y, linear += uint32_t(columns * size)) {
      int64_t row = copy.coordinates[1] + y, block = map.rank == 3 ? copy.coordinates[2] + z : 0;
      bool rowInside = row >= 0 && row < dims[1] && (map.rank < 3 || (block >= 0 && block < dims[2]));
      for (int64_t x = 0; x < columns * size; x += 16) {
        int64_t column = copy.coordinates[0] + x / size;
        uint32_t address = linear + uint32_t(x);
        if (map.swizzle128)
          address ^= (address >> 7 & 7) << 4;
        // A 16-byte piece may lie partly outside.
        int64_t inside = rowInside && column >= 0 ? std::clamp<int64_t>((dims[0] - column) * size, 0, 16) : 0;
        int64_t source = inside ? column * size + row * strides[0] + (map.rank == 3 ? block * strides[1] : 0) : -1;
        f(address, source, inside, int64_t(16));
      }
    }
}

bool markInFlight(Warp &warp, const Instruction &i, Cta &cta, uint32_t offset, uint64_t bytes) {
  uint8_t state = unionOf(cta.state.data() + offset, unsigned(bytes));
  if (state & (InFlight | BarrierByte)) {
    warp.fail(i, llvm::formatv("copies to shared memory at offset {0} that {1}", offset,
                               state & InFlight ? "an asynchronous copy is still writing" : "is an mbarrier"));
    return false;
  }
  std::memset(cta.state.data() + offset, InFlight, bytes);
  return true;
}

/// Destination and barrier of an asynchronous copy, for the executing CTA or each of a multicast mask.
template <typename F> void forDestinations(Warp &warp, const Instruction &i, uint32_t maskRow, unsigned lane, F f) {
  if (maskRow == ~0u)
    return f(nullptr);
  uint32_t mask = warp.row(maskRow)[lane];
  for (Cta &cta : warp.cluster->ctas)
    if (mask >> cta.rank & 1)
      f(&cta);
}

/// a destination, b map, c barrier; more: multicast mask row or ~0, coordinate rows.
void runCopyTensor(Warp &warp, const Instruction &i) {
  const uint32_t *more = warp.machine->more(i);
  if (!warp.defined(i, i.a, "the destination") || !warp.defined(i, i.b, "the tensor map") ||
      !warp.defined(i, i.c, "the barrier"))
    return;
  for (unsigned k = 1; k < i.count; ++k)
    if (!warp.defined(i, more[k], "the coordinate"))
      return;
  for (uint32_t rest = warp.mask; rest; rest &= rest - 1) {
    unsigned lane = unsigned(__builtin_ctz(rest));
    uint64_t map = warp.wide(i.b)[lane];
    if (!(map & mapBit))
      return warp.fail(i, "expected a tensor map of the parameters", int(lane));
    const EmulatedArgument &argument = warp.machine->launch->arguments[map & 0xffff];
    AsyncCopy copy;
    copy.op = i.op;
    copy.map = &argument;
    copy.source = unsigned(map & 0xffff);
    const TensorMap &shape = argument.map;
    if (i.count - 1 != shape.rank)
      return warp.fail(i, llvm::formatv("expected {0} coordinates for the tensor map, found {1}", shape.rank, i.count - 1), int(lane));
    for (unsigned k = 0; k < shape.rank; ++k)
      copy.coordinates[k] = int32_t(warp.row(more[1 + k])[lane]);
    uint64_t bytes = uint64_t(shape.boxColumns) * shape.boxRows * (shape.rank == 3 ? shape.boxBlocks : 1) * shape.elementBits / 8;
    if (shape.swizzle128 && shape.boxColumns * shape.elementBits != 1024)
      return warp.fail(i, "expected an inner box of 128 bytes with the 128-byte swizzle (the emulator knows no other)", int(lane));
    uint32_t destination = warp.row(i.a)[lane], barrier = warp.row(i.c)[lane];
    Cta *to, *home;
    uint32_t offset, barrierOffset;
    if (!aligned(warp, i, destination - sharedBase, shape.swizzle128 ? 1024 : 128, lane) ||
        !locateShared(warp, i, destination, bytes, lane, to, offset) ||
        !locateShared(warp, i, barrier, 8, lane, home, barrierOffset))
      return;
    forDestinations(warp, i, more[0], lane, [&](Cta *cta) {
      copy.destinationCta = cta ? cta->rank : to->rank;
      copy.destination = offset, copy.barrier = barrierOffset, copy.bytes = uint32_t(bytes);
      if (!cta && home != to)
        return warp.fail(i, "expected destination and barrier in one CTA", int(lane));
      if (markInFlight(warp, i, warp.cluster->ctas[copy.destinationCta], offset, bytes))
        warp.cluster->pending.push_back(copy);
    });
  }
}

/// a destination, b source, c barrier; more: multicast mask row or ~0, row of the size.
void runCopyBulk(Warp &warp, const Instruction &i) {
  const uint32_t *more = warp.machine->more(i);
  if (!warp.defined(i, i.a, "the destination") || !warp.defined(i, i.b, "the source") ||
      !warp.defined(i, i.c, "the barrier") || !warp.defined(i, more[1], "the size"))
    return;
  for (uint32_t rest = warp.mask; rest; rest &= rest - 1) {
    unsigned lane = unsigned(__builtin_ctz(rest));
    AsyncCopy copy;
    copy.op = i.op;
    copy.kind = AsyncCopy::Bulk;
    copy.bytes = warp.row(more[1])[lane];
    if (copy.bytes == 0 || copy.bytes % 16)
      return warp.fail(i, llvm::formatv("expected a positive multiple of 16 bytes, found {0}", copy.bytes), int(lane));
    uint64_t source = warp.wide(i.b)[lane];
    uint32_t destination = warp.row(i.a)[lane], barrier = warp.row(i.c)[lane], offset, barrierOffset;
    Cta *to, *home;
    if (!aligned(warp, i, destination, 16, lane) || !aligned(warp, i, source, 16, lane) ||
        !locateShared(warp, i, destination, copy.bytes, lane, to, offset) ||
        !locateShared(warp, i, barrier, 8, lane, home, barrierOffset) ||
        !locateGlobal(warp, i, source, copy.bytes, lane, copy.source, copy.sourceOffset))
      return;
    forDestinations(warp, i, more[0], lane, [&](Cta *cta) {
      copy.destinationCta = cta ? cta->rank : to->rank;
      copy.destination = offset, copy.barrier = barrierOffset;
      if (markInFlight(warp, i, warp.cluster->ctas[copy.destinationCta], offset, copy.bytes))
        warp.cluster->pending.push_back(copy);
    });
  }
}

/// a address, b barrier; more: rows of the four words.
void runStoreAsync(Warp &warp, const Instruction &i) {
  if (!warp.defined(i, i.a, "the address") || !warp.defined(i, i.b, "the barrier"))
    return;
  const uint32_t *words = warp.machine->more(i);
  uint64_t states = 0;
  for (unsigned k = 0; k < 4; ++k)
    states |= warp.states[words[k]];
  if (!notInFlight(warp, i, states))
    return;
  for (uint32_t rest = warp.mask; rest; rest &= rest - 1) {
    unsigned lane = unsigned(__builtin_ctz(rest));
    AsyncCopy copy;
    copy.op = i.op;
    copy.kind = AsyncCopy::Words;
    copy.bytes = 16;
    uint32_t destination = warp.row(i.a)[lane], barrier = warp.row(i.b)[lane];
    Cta *to, *home;
    if (!aligned(warp, i, destination, 16, lane) ||
        !locateShared(warp, i, destination, 16, lane, to, copy.destination) ||
        !locateShared(warp, i, barrier, 8, lane, home, copy.barrier))
      return;
    if (to != home)
      return warp.fail(i, "expected destination and barrier in one CTA", int(lane));
    for (unsigned k = 0; k < 4; ++k)
      copy.words[k] = warp.row(words[k])[lane];
    for (unsigned k = 0; k < 4; ++k)
      copy.poison |= uint8_t((warp.poison(words[k]) >> lane & 1) << k);
    copy.destinationCta = to->rank;
    if (!markInFlight(warp, i, *to, copy.destination, 16))
      return;
    warp.cluster->pending.push_back(copy);
  }
}

} // namespace

bool emulator::land(Machine &machine, Cluster &cluster, const AsyncCopy &copy, std::string &error) {
  Cta &cta = cluster.ctas[copy.destinationCta];
  uint8_t *shared = cta.shared.data(), *state = cta.state.data();
  if (cta.ended()) {
    error = llvm::formatv("CTA ({0}, {1}) ended with an asynchronous copy into its shared memory in flight", cta.x, cta.y);
    return false;
  }
  switch (copy.kind) {
  case AsyncCopy::Tensor: {
    const std::vector<uint8_t> &source = copy.map->buffer->bytes;
    bool outside = false;
    forBox(copy, [&](uint32_t to, int64_t from, int64_t inside, int64_t bytes) {
      if (inside && from + inside > int64_t(source.size())) {
        outside = true;
        return;
      }
      if (inside)
        std::memcpy(shared + to, source.data() + from, size_t(inside));
      std::memset(shared + to + inside, 0, size_t(bytes - inside));
      std::memset(state + to, Written, size_t(bytes));
    });
    if (outside) {
      error = "the tensor map reaches beyond its buffer";
      return false;
    }
    break;
  }
  case AsyncCopy::Bulk:
    std::memcpy(shared + copy.destination, machine.globals[copy.source].bytes->data() + copy.sourceOffset, copy.bytes);
    std::memset(state + copy.destination, Written, copy.bytes);
    break;
  case AsyncCopy::Words:
    std::memcpy(shared + copy.destination, copy.words, 16);
    for (unsigned k = 0; k < 16; ++k)
      state[copy.destination + k] = copy.poison >> (k / 4) & 1 ? Unwritten : Written;
    break;
  }
  Barrier *barrier = cta.findBarrier(copy.barrier);
  if (!barrier) {
    error = llvm::formatv("expected an initialised mbarrier at shared offset {0} for the copy's completion", copy.barrier);
    return false;
  }
  barrier->bytes -= copy.bytes;
  completePhase(*barrier);
  return true;
}

//===----------------------------------------------------------------------===//
// Decoding
//===----------------------------------------------------------------------===//

static bool isShared(Value pointer) { return rowsOf(pointer.getType()) == 1; }
static bool isGlobal(Value pointer) { return cast<LLVM::LLVMPointerType>(pointer.getType()).getAddressSpace() == 1; }

static int64_t shapeOf(Type type, unsigned alignment) {
  auto elements = elementsOf(type);
  Type element = elements[0];
  unsigned bytes = isa<LLVM::LLVMPointerType>(element) ? rowsOf(element) * 4
                   : element.isIntOrFloat() && element.getIntOrFloatBitWidth() < 8 ? 1
                                                       : element.getIntOrFloatBitWidth() / 8;
  return bytes | int64_t(elements.size()) << 8 | int64_t(alignment ? alignment : bytes * elements.size()) << 16;
}

/// Bytes of an element of a getelementptr; 0 for types without a plain size.
static uint64_t sizeOf(Type type) {
  if (auto array = dyn_cast<LLVM::LLVMArrayType>(type))
    return array.getNumElements() * sizeOf(array.getElementType());
  if (auto vector = dyn_cast<VectorType>(type))
    return uint64_t(vector.getNumElements()) * sizeOf(vector.getElementType());
  return type.isIntOrFloat() ? (type.getIntOrFloatBitWidth() + 7) / 8 : 0;
}

static bool decodeGep(Decoder &decoder, LLVM::GEPOp op) {
  uint64_t size = sizeOf(op.getElemType());
  auto indices = op.getIndices();
  if (indices.size() != 1 || !size)
    return false;
  uint32_t a = decoder.use(op.getBase());
  int64_t number = 0;
  SmallVector<uint32_t> list;
  if (auto index = dyn_cast<Value>(indices[0])) {
    Type indexType = index.getType();
    if (!indexType.isInteger(32) && !indexType.isInteger(64))
      return false;
    list = {decoder.use(index), uint32_t(size), indexType.isInteger(64)};
  } else {
    number = cast<IntegerAttr>(indices[0]).getInt() * int64_t(size);
  }
  uint32_t dst = decoder.define(op.getResult());
  uint32_t more = decoder.addMore(list);
  Instruction &i = decoder.emit(isShared(op.getBase()) ? runGep<true> : runGep<false>, op);
  i.a = a, i.dst = dst, i.more = more, i.count = unsigned(list.size() / 3), i.number = number;
  return true;
}

bool emulator::decodeMemory(Decoder &decoder, Operation *op) {
  if (auto gep = dyn_cast<LLVM::GEPOp>(op))
    return decodeGep(decoder, gep);
  if (auto load = dyn_cast<LLVM::LoadOp>(op)) {
    if (!isShared(load.getAddr()) && !isGlobal(load.getAddr()))
      return false;
    uint32_t a = decoder.use(load.getAddr()), dst = decoder.define(load.getResult());
    Instruction &i = decoder.emit(runLoad, op);
    i.a = a, i.dst = dst, i.count = isShared(load.getAddr());
    i.number = shapeOf(load.getResult().getType(), load.getAlignment().value_or(0));
    return true;
  }
  if (auto store = dyn_cast<LLVM::StoreOp>(op)) {
    if (!isShared(store.getAddr()) && !isGlobal(store.getAddr()))
      return false;
    uint32_t a = decoder.use(store.getAddr()), value = decoder.use(store.getValue());
    Instruction &i = decoder.emit(runStore, op);
    i.a = a, i.dst = value, i.count = isShared(store.getAddr());
    i.number = shapeOf(store.getValue().getType(), store.getAlignment().value_or(0));
    return true;
  }
  if (auto load = dyn_cast<kernel::LoadStreamOp>(op)) {
    // Four results: one block of rows, so that one load fills them.
    uint32_t a = decoder.use(load.getPointer());
    uint32_t dst = decoder.allocate(4); // kept: the four die at different times
    for (auto [k, result] : llvm::enumerate(op->getResults()))
      decoder.alias(result, dst + unsigned(k));
    Instruction &i = decoder.emit(runLoad, op);
    i.a = a, i.dst = dst, i.count = isShared(load.getPointer());
    i.target = uint32_t(int32_t(load.getOffset()));
    i.number = 4 | 4 << 8 | 16 << 16;
    return true;
  }
  if (auto store = dyn_cast<kernel::StoreIfOp>(op)) {
    SmallVector<uint32_t> words;
    for (Value word : store.getWords())
      words.push_back(decoder.use(word));
    uint32_t more = decoder.addMore(words);
    uint32_t a = decoder.use(store.getPointer()), b = decoder.use(store.getCondition());
    Instruction &i = decoder.emit(runStoreIf, op);
    i.a = a, i.b = b, i.more = more, i.count = unsigned(words.size()), i.number = int64_t(store.getOffset());
    return true;
  }
  if (isa<LLVM::AddressOfOp>(op)) {
    decoder.alias(op->getResult(0), decoder.constant(sharedBase, false));
    return rowsOf(op->getResult(0).getType()) == 1;
  }
  if (auto copy = dyn_cast<NVVM::CpAsyncOp>(op)) {
    Instruction &i = decoder.emit(runCopyAsync, op);
    i.a = decoder.use(copy.getDst()), i.b = decoder.use(copy.getSrc()), i.number = copy.getSize();
    if (copy.getCpSize())
      i.c = decoder.use(copy.getCpSize()), i.count = 1;
    return true;
  }
  if (isa<NVVM::CpAsyncCommitGroupOp>(op))
    return decoder.emit(runCopyCommit, op).run != nullptr;
  if (auto wait = dyn_cast<NVVM::CpAsyncWaitGroupOp>(op)) {
    decoder.emit(runCopyWait, op).number = wait.getN();
    return true;
  }
  if (auto copy = dyn_cast<NVVM::CpAsyncBulkTensorGlobalToSharedClusterOp>(op)) {
    if (copy.getMode() != NVVM::TMALoadMode::TILE || copy.getPredicate())
      return false;
    SmallVector<uint32_t> list = {copy.getMulticastMask() ? decoder.use(copy.getMulticastMask()) : ~0u};
    for (Value coordinate : copy.getCoordinates())
      list.push_back(decoder.use(coordinate));
    uint32_t more = decoder.addMore(list);
    Instruction &i = decoder.emit(runCopyTensor, op);
    i.a = decoder.use(copy.getDstMem()), i.b = decoder.use(copy.getTmaDescriptor()), i.c = decoder.use(copy.getMbar());
    i.more = more, i.count = unsigned(list.size());
    return true;
  }
  if (auto copy = dyn_cast<NVVM::CpAsyncBulkGlobalToSharedClusterOp>(op)) {
    uint32_t more = decoder.addMore({copy.getMulticastMask() ? decoder.use(copy.getMulticastMask()) : ~0u, decoder.use(copy.getSize())});
    Instruction &i = decoder.emit(runCopyBulk, op);
    i.a = decoder.use(copy.getDstMem()), i.b = decoder.use(copy.getSrcMem()), i.c = decoder.use(copy.getMbar());
    i.more = more, i.count = 2;
    return true;
  }
  if (auto store = dyn_cast<kernel::StoreAsyncOp>(op)) {
    uint32_t more = decoder.addMore({decoder.use(store.getW0()), decoder.use(store.getW1()), decoder.use(store.getW2()),
                                     decoder.use(store.getW3())});
    Instruction &i = decoder.emit(runStoreAsync, op);
    i.a = decoder.use(store.getAddress()), i.b = decoder.use(store.getBarrier()), i.more = more;
    return true;
  }
  return false;
}
