//===- EmulatorMachine.h - the emulated GPU, inside -------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// A function is decoded once into a flat list of instructions over rows; a row is one 32-bit register of the 32 lanes of
// a warp (64-bit values take two, seen as 32 words of 64 bits). Beside each row stands its state: the lanes whose value
// nobody defined (poison), and the wgmma in flight that will write it. A warp runs until it waits; asynchronous copies
// land only when every warp of the cluster waits, wgmma reads its operands and gives its results at the wait.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_LIB_TARGET_NVPTX_EMULATORMACHINE_H
#define BITWRIGHT_LIB_TARGET_NVPTX_EMULATORMACHINE_H

#include "lib/Target/Nvptx/Emulator.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include <deque>
#include <map>
#include <mutex>

namespace bitwright::nvptx::emulator {

constexpr unsigned lanes = 32;
constexpr uint32_t all = 0xffffffffu;
/// Where shared memory begins in shared addresses: not at 0, so that a missing base is noticed.
constexpr uint32_t sharedBase = 1024;
/// Bytes of the shared address window of one CTA of a cluster.
constexpr unsigned windowBits = 24;

struct Warp;
struct Instruction;
using Run = void (*)(Warp &, const Instruction &);

struct Instruction {
  Run run = nullptr;
  uint32_t dst = 0, a = 0, b = 0, c = 0; ///< rows
  uint32_t more = 0;                     ///< index into Program::more: further rows or numbers
  uint32_t count = 0;                    ///< of them, or a small number
  int64_t number = 0;
  uint32_t target = 0, target2 = 0; ///< instructions
  mlir::Operation *op = nullptr;
};

struct Program {
  std::vector<Instruction> code;
  std::vector<uint32_t> more;
  uint32_t rows = 0;
  /// Rows with the same value in all lanes and warps (constants, parameters): (row, value, is 64-bit).
  struct Constant {
    uint32_t row;
    uint64_t value;
    bool wide;
  };
  std::vector<Constant> constants;
};

/// State of a byte of memory.
enum ByteState : uint8_t { Written = 0, Unwritten = 1, InFlight = 2, BarrierByte = 4 };

struct Global {
  std::vector<uint8_t> *bytes = nullptr;
  std::vector<uint8_t> state;        ///< empty: readable only
  std::vector<uint32_t> *writers = nullptr;
};

struct Barrier { ///< an mbarrier
  uint32_t address = 0;
  int32_t expected = 0, pending = 0;
  int64_t bytes = 0;
  uint32_t phase = 0;
};

struct NamedBarrier {
  unsigned arrived = 0, expected = 0;
  uint64_t generation = 0;
};

/// A TMA or bulk copy, or st.async, that was issued and has not landed.
struct AsyncCopy {
  unsigned destinationCta = 0;
  uint32_t destination = 0, barrier = 0; ///< shared addresses
  uint32_t bytes = 0;                    ///< that complete on the barrier
  const EmulatedArgument *map = nullptr; ///< a tensor copy
  int32_t coordinates[3] = {0, 0, 0};
  unsigned source = 0; ///< buffer of a bulk copy
  uint64_t sourceOffset = 0;
  uint32_t words[4] = {0, 0, 0, 0}; ///< st.async
  uint8_t poison = 0;               ///< one bit a word
  enum Kind { Tensor, Bulk, Words } kind = Tensor;
  mlir::Operation *op = nullptr;
};

/// One warpgroup instruction from its issue by the first warp until the last warp has waited for it.
struct WgmmaEntry {
  mlir::Operation *op = nullptr;
  unsigned n = 0, issued = 0, taken = 0; ///< masks of warps
  bool integer = false, bf16 = false, registers = false, zero = false, executed = false;
  uint64_t a = 0, b = 0;
  struct Part { ///< of one warp
    std::vector<uint32_t> words;  ///< A fragment: 4 rows
    std::vector<uint32_t> values; ///< accumulators in, then results: n / 2 rows
    std::vector<uint32_t> poison; ///< one mask a row
    uint32_t aPoison[4] = {0, 0, 0, 0};
    int64_t source = -1; ///< number of the entry whose results are the accumulators
  } parts[4];
};
struct WarpGroup {
  std::deque<WgmmaEntry> queue;
  uint32_t first = 1; ///< number of queue.front()
};

/// cp.async of one warp instruction.
struct LaneCopy {
  uint32_t group;
  uint8_t lane, bytes, sourceBytes;
  uint32_t destination;
  const uint8_t *source;
};

struct Cta;
struct Cluster;
struct Machine;

struct Warp {
  Machine *machine = nullptr;
  Cluster *cluster = nullptr;
  Cta *cta = nullptr;
  unsigned index = 0;
  uint32_t *registers = nullptr;
  uint64_t *states = nullptr; ///< low half: poison lanes; high half: number of a wgmma in flight (25 bits), element (7)
  uint32_t pc = 0, mask = all;
  enum State : uint8_t { Ready, Waiting, Done } state = Ready;
  bool slow = false; ///< has its turn last
  llvm::SmallVector<std::pair<uint32_t, uint32_t>, 8> stack; ///< masks of open ifs and loops
  // Waits in progress.
  bool inBarrier = false;
  uint64_t generation = 0;
  uint64_t clusterGeneration = 0;
  bool arrivedAtCluster = false;
  uint32_t lanesPassed = 0; ///< lanes of a try_wait that have seen their phase
  /// An mbarrier of which all waiting lanes want another phase: no turn before it has one.
  Cta *sleepAt = nullptr;
  uint32_t sleepAddress = 0, sleepPhase = 0;
  // cp.async
  std::vector<LaneCopy> copies;
  uint32_t copyGroup = 0;
  // wgmma
  uint32_t wgmmaNext = 1, wgmmaTaken = 1;
  std::deque<uint32_t> wgmmaGroups; ///< the number after the last of each committed group
  std::string wait;                 ///< what it waits for, when asked

  uint32_t *row(uint32_t i) { return registers + size_t(i) * lanes; }
  uint64_t *wide(uint32_t i) { return reinterpret_cast<uint64_t *>(registers + size_t(i) * lanes); }
  uint32_t poison(uint32_t i) const { return uint32_t(states[i]); }
  unsigned firstLane() const { return unsigned(__builtin_ctz(mask)); }

  /// Stops the launch with an error at the instruction.
  void fail(const Instruction &at, const std::string &message, int lane = -1);
  /// Stays at this instruction: `describe` is asked only when nothing can go on.
  void block(llvm::function_ref<std::string()> describe);
  /// Poison in an operand that has to be defined in the active lanes is an error; true when there is none.
  bool defined(const Instruction &at, uint32_t row, const char *what);
  /// The value of a row that must be the same in all active lanes.
  bool uniform(const Instruction &at, uint32_t row, const char *what, uint32_t &value);
};

struct Cta {
  unsigned x = 0, y = 0, rank = 0, number = 0;
  std::vector<uint8_t> shared, state;
  std::vector<Barrier> barriers;
  NamedBarrier named[16];
  std::vector<Warp> warps;
  std::vector<WarpGroup> groups;
  std::vector<uint32_t> registers;
  std::vector<uint64_t> states;

  /// Its shared memory is gone: nobody may reach it any more.
  bool ended() const {
    for (const Warp &warp : warps)
      if (warp.state != Warp::Done)
        return false;
    return true;
  }
  Barrier *findBarrier(uint32_t address) {
    for (Barrier &barrier : barriers)
      if (barrier.address == address)
        return &barrier;
    return nullptr;
  }
};

struct Cluster {
  std::vector<Cta> ctas;
  std::vector<AsyncCopy> pending;
  unsigned arrived = 0;
  uint64_t generation = 0;
  uint64_t random = 1;
  bool progressed = false, explain = false, failed = false;

  uint32_t next(uint32_t below) { // xorshift
    random ^= random << 13, random ^= random >> 7, random ^= random << 17;
    return uint32_t((random >> 16) % below);
  }
};

class Decoder;
struct Machine {
  const Program *program = nullptr;
  const Decoder *decoder = nullptr;
  const EmulatedLaunch *launch = nullptr;
  std::vector<Global> globals;
  std::mutex mutex;
  std::string error;
  mlir::Operation *errorAt = nullptr;
  unsigned errorCluster = ~0u;

  const uint32_t *more(const Instruction &i) const { return program->more.data() + i.more; }
};

//===--- Memory ----------------------------------------------------------------===//

/// Where an address leads.
struct Place {
  uint8_t *bytes = nullptr;
  uint8_t *state = nullptr; ///< null: readable only
  uint32_t *writers = nullptr;
};
/// Global pointers hold the number of the buffer above bit 40 and the offset plus 2^20 below.
constexpr unsigned bufferShift = 40;
constexpr uint64_t bufferBias = 1 << 20;
/// Tensor maps are generic pointers with this bit and the number of the parameter.
constexpr uint64_t mapBit = uint64_t(1) << 62;

/// The memory at a shared (space 3, 7) or global (1) address, or an error: `bytes` from there must exist.
bool locateShared(Warp &warp, const Instruction &at, uint32_t address, uint64_t bytes, unsigned lane, Cta *&cta,
                  uint32_t &offset);
bool locateGlobal(Warp &warp, const Instruction &at, uint64_t address, uint64_t bytes, unsigned lane, unsigned &buffer,
                  uint64_t &offset);
/// Makes an issued copy land: its bytes and its count on the barrier.
bool land(Machine &machine, Cluster &cluster, const AsyncCopy &copy, std::string &error);
/// Counts on an mbarrier; false when it was misused.
void completePhase(Barrier &barrier);

//===--- Decoding --------------------------------------------------------------===//

/// Rows of a type; 0 for types that the machine does not have.
unsigned rowsOf(mlir::Type type);
inline bool isWide(mlir::Type type) { return rowsOf(type) == 2 && !llvm::isa<mlir::VectorType, mlir::LLVM::LLVMStructType>(type); }
/// A vector's or struct's elements, else the type itself once.
llvm::SmallVector<mlir::Type> elementsOf(mlir::Type type);

class Decoder {
public:
  Decoder(Program &program, mlir::LLVM::LLVMFuncOp function) : program(program), function(function) {}
  mlir::LogicalResult decode();

  uint32_t use(mlir::Value value) const;
  bool knows(mlir::Value value) const { return rows.count(value); }
  /// Rows for a new value; freed after its last use.
  uint32_t define(mlir::Value value);
  /// `value` is the rows of another.
  void alias(mlir::Value value, uint32_t row) { rows[value] = row; }
  uint32_t allocate(unsigned count, bool wide = false);
  uint32_t constant(uint64_t value, bool wide);
  Instruction &emit(Run run, mlir::Operation *op);
  uint32_t addMore(llvm::ArrayRef<uint32_t> numbers);
  /// Rows {from, to, wide} are copied, all at once.
  void copy(llvm::ArrayRef<std::array<uint32_t, 3>> moves, mlir::Operation *op);
  bool failed = false;

private:
  void decodeRegion(mlir::Region &region);
  void decodeBlock(mlir::Block &block);
  void decodeOp(mlir::Operation *op);
  void decodeIf(mlir::scf::IfOp op);
  void decodeFor(mlir::scf::ForOp op);
  void decodeWhile(mlir::scf::WhileOp op);
  bool decodeBranch(mlir::Operation *op);
  mlir::Operation *lastUse(mlir::Value value, mlir::Block *block, bool &permanent);
  void release(mlir::Value value);
  void moves(mlir::ValueRange from, mlir::ValueRange to, llvm::SmallVector<std::array<uint32_t, 3>> &out);

  Program &program;
  mlir::LLVM::LLVMFuncOp function;
  llvm::DenseMap<mlir::Value, uint32_t> rows;
  std::map<std::pair<uint64_t, bool>, uint32_t> pool;
  /// By count and width: a row that held half of a wide value never holds a narrow one.
  std::map<std::pair<unsigned, bool>, std::vector<uint32_t>> freeRows;
  llvm::DenseMap<mlir::Operation *, llvm::SmallVector<std::tuple<uint32_t, unsigned, bool>>> freeAfter;
  llvm::DenseMap<mlir::Block *, uint32_t> blockStart;
  std::vector<std::pair<uint32_t, std::pair<mlir::Block *, mlir::Block *>>> fixups;
};

/// A word that is cast to two halves for mma.sync alone, and stays a word here.
bool isWordOfHalves(mlir::Value value);

// One a family of operations: true when the operation is one of theirs.
bool decodeArithmetic(Decoder &decoder, mlir::Operation *op);
bool decodeMemory(Decoder &decoder, mlir::Operation *op);
bool decodeSynchronisation(Decoder &decoder, mlir::Operation *op);
bool decodeTensor(Decoder &decoder, mlir::Operation *op);

} // namespace bitwright::nvptx::emulator

#endif
