//===- EmulatorTest.cpp - the emulator itself --------------------------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// What it computes, against plain loops, and that it refuses what a GPU would not forgive: each message once.
//
//===----------------------------------------------------------------------===//

#include "GemmCase.h"
#include "lib/Numerics/Half.h"
#include "lib/Target/Nvptx/KernelWriter.h"
#include <cmath>
#include <deque>
#include <gtest/gtest.h>

using namespace mlir;
using namespace bitwright;
using namespace bitwright::nvptx;
using arith::CmpIPredicate;

namespace {

struct Emulation : testing::Test {
  MLIRContext context{MLIRContext::Threading::DISABLED};
  OwningOpRef<ModuleOp> module;
  std::unique_ptr<KernelWriter> w;
  Values arguments; ///< operands, then results
  std::deque<EmulatedBuffer> buffers;
  EmulatedLaunch launch;

  Emulation() {
    loadDialects(context);
    module = ModuleOp::create(UnknownLoc::get(&context));
    w = std::make_unique<KernelWriter>(UnknownLoc::get(&context), *module);
  }
  /// A kernel with word operands and one result of `words` words.
  void begin(unsigned threads, std::vector<std::vector<uint32_t>> operands, unsigned words, unsigned sharedBytes = 0,
             unsigned ctas = 1, unsigned cluster = 1) {
    EmittedKernel kernel;
    kernel.symbol = "k";
    kernel.threads = threads;
    kernel.cluster = cluster;
    launch.threads = threads, launch.gridX = ctas, launch.cluster = cluster, launch.sharedBytes = sharedBytes;
    for (unsigned i = 0; i < operands.size(); ++i) {
      kernel.parameters.push_back({Role::Operand, i, Form::Pointer, {}, {}});
      buffers.emplace_back();
      buffers.back().bytes.resize(operands[i].size() * 4);
      std::memcpy(buffers.back().bytes.data(), operands[i].data(), operands[i].size() * 4);
    }
    kernel.parameters.push_back({Role::Result, 0, Form::Pointer, {}, {}});
    buffers.emplace_back();
    buffers.back().bytes.resize(words * 4);
    buffers.back().written.assign(words * 4, false);
    for (EmulatedBuffer &buffer : buffers) {
      launch.arguments.emplace_back();
      launch.arguments.back().buffer = &buffer;
    }
    arguments = w->begin(kernel);
  }
  Value result() { return arguments.back(); }
  Value thread() { return w->threadId(launch.threads); }
  void storeWord(Value word, Value index) { w->store(word, w->offset(result(), w->mul(index, 4)), 4); }
  Value loadWord(Value pointer, Value index) { return w->load(w->offset(pointer, w->mul(index, 4)), w->i32(), 4); }
  /// "" or what the emulator said.
  std::string run() {
    w->end();
    std::string text;
    ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) {
      text += diagnostic.str();
      return success();
    });
    if (succeeded(emulate(w->function, launch)))
      EXPECT_EQ(text, "");
    else
      EXPECT_NE(text, "");
    return text;
  }
  std::vector<uint32_t> words() {
    std::vector<uint32_t> out(buffers.back().bytes.size() / 4);
    std::memcpy(out.data(), buffers.back().bytes.data(), out.size() * 4);
    return out;
  }
};
#define EXPECT_SAYS(text, part)                                                                                        \
  do {                                                                                                                 \
    std::string textSaid = text;                                                                                       \
    EXPECT_NE(textSaid.find(part), std::string::npos) << textSaid;                                                     \
  } while (false)

std::vector<uint32_t> randomWords(size_t n, uint64_t seed) {
  Random random(seed);
  std::vector<uint32_t> words(n);
  for (uint32_t &word : words)
    word = uint32_t(random.next() >> 20);
  return words;
}

//===--- Control flow and arithmetic ---------------------------------------------------===//

TEST_F(Emulation, LoopsAndBranchesDiverge) {
  begin(64, {}, 64);
  Value tid = thread();
  Values sum = w->loop(0, w->remu(tid, 7), 1, {w->constant(100)}, [&](Value i, ValueRange carried) -> Values {
    Value next = w->add(carried[0], w->mul(i, i));
    auto op = scf::IfOp::create(w->builder, w->loc, TypeRange{w->i32()}, w->eq(w->andi(i, 1), 0), true);
    OpBuilder::InsertionGuard guard(w->builder);
    w->builder.setInsertionPointToStart(op.thenBlock());
    scf::YieldOp::create(w->builder, w->loc, w->add(next, 1000));
    w->builder.setInsertionPointToStart(op.elseBlock());
    scf::YieldOp::create(w->builder, w->loc, next);
    return {op.getResult(0)};
  });
  storeWord(sum[0], tid);
  ASSERT_EQ(run(), "");
  for (unsigned t = 0; t < 64; ++t) {
    uint32_t expected = 100;
    for (unsigned i = 0; i < t % 7; ++i)
      expected += i * i + (i % 2 ? 0 : 1000);
    EXPECT_EQ(words()[t], expected) << t;
  }
}

TEST_F(Emulation, CarriedValuesTradePlaces) {
  begin(32, {}, 64);
  Value tid = thread();
  Values pair = w->loop(0, 5, 1, {tid, w->add(tid, 100)}, [&](Value, ValueRange carried) -> Values { return {carried[1], carried[0]}; });
  storeWord(pair[0], tid);
  storeWord(pair[1], w->add(tid, 32));
  ASSERT_EQ(run(), "");
  EXPECT_EQ(words()[3], 103u);
  EXPECT_EQ(words()[35], 3u);
}

TEST_F(Emulation, BlocksWithArguments) {
  begin(32, {}, 32);
  Value tid = thread(), zero = w->constant(0);
  Block *head = new Block(), *exit = new Block();
  auto &blocks = w->function.getBody().getBlocks();
  blocks.push_back(head), blocks.push_back(exit);
  Value i = head->addArgument(w->i32(), w->loc), sum = head->addArgument(w->i32(), w->loc);
  LLVM::BrOp::create(w->builder, w->loc, ValueRange{zero, tid}, head);
  w->builder.setInsertionPointToStart(head);
  Value next = w->add(i, 1), total = w->add(sum, i);
  LLVM::CondBrOp::create(w->builder, w->loc, w->ult(next, 6), head, ValueRange{next, total}, exit, ValueRange());
  w->builder.setInsertionPointToStart(exit);
  storeWord(total, tid);
  ASSERT_EQ(run(), "");
  EXPECT_EQ(words()[4], 4u + 15u);
}

TEST_F(Emulation, DivergingBranchIsRefused) {
  begin(32, {}, 32);
  Value tid = thread();
  Block *a = new Block(), *b = new Block();
  w->function.getBody().getBlocks().push_back(a), w->function.getBody().getBlocks().push_back(b);
  LLVM::CondBrOp::create(w->builder, w->loc, w->ult(tid, 6), a, ValueRange(), b, ValueRange());
  w->builder.setInsertionPointToStart(a);
  LLVM::ReturnOp::create(w->builder, w->loc, ValueRange());
  w->builder.setInsertionPointToStart(b);
  EXPECT_SAYS(run(), "expected the condition of a branch between blocks to be the same in all lanes");
}

TEST_F(Emulation, DeviceArithmetic) {
  auto a = randomWords(64, 1), b = randomWords(64, 2), c = randomWords(64, 3);
  begin(64, {a, b, c}, 64 * 6);
  Value tid = thread();
  Value x = loadWord(arguments[0], tid), y = loadWord(arguments[1], tid), z = loadWord(arguments[2], tid);
  storeWord(w->lop3(x, y, z, 0xca), tid);
  storeWord(w->permuteBytes(x, y, z), w->add(tid, 64));
  storeWord(w->packS8(w->shrs(x, 22), w->shrs(y, 22), z), w->add(tid, 128));
  storeWord(w->packedMath(kernel::HalfMath::Fma, {x, y, z}, w->f16()), w->add(tid, 192));
  storeWord(w->packedMath(kernel::HalfMath::Mul, {x, y}, w->bf16()), w->add(tid, 256));
  storeWord(w->shuffleXor(x, 5), w->add(tid, 320));
  ASSERT_EQ(run(), "");
  auto out = words();
  for (unsigned t = 0; t < 64; ++t) {
    EXPECT_EQ(out[t], (a[t] & b[t]) | (~a[t] & c[t]));
    uint64_t bytes = uint64_t(b[t]) << 32 | a[t];
    for (unsigned k = 0; k < 4; ++k) {
      uint8_t selector = c[t] >> (4 * k) & 15, byte = uint8_t(bytes >> (8 * (selector & 7)));
      EXPECT_EQ(uint8_t(out[64 + t] >> (8 * k)), selector & 8 ? (byte & 0x80 ? 0xff : 0) : byte);
    }
    auto sat = [](int32_t v) { return uint8_t(int8_t(std::clamp(v, -128, 127))); };
    EXPECT_EQ(out[128 + t], sat(int32_t(b[t]) >> 22) | sat(int32_t(a[t]) >> 22) << 8 | c[t] << 16);
    for (unsigned h = 0; h < 32; h += 16) {
      // 80 bits of long double hold the sum of a product and an addend that are near each other in size.
      float p = numerics::floatFromHalf(uint16_t(a[t] >> h)), q = numerics::floatFromHalf(uint16_t(b[t] >> h)), r = numerics::floatFromHalf(uint16_t(c[t] >> h));
      long double exact = (long double)p * q + r;
      float found = numerics::floatFromHalf(uint16_t(out[192 + t] >> h));
      if (std::isfinite(found))
        EXPECT_LE(std::fabs(exact - found), std::ldexp(std::max(std::fabs(exact), 0x1p-14L), -11)) << p << " " << q << " " << r;
      float m = numerics::floatFromBfloat16(uint16_t(a[t] >> h)) * numerics::floatFromBfloat16(uint16_t(b[t] >> h));
      if (!std::isnan(m))
        EXPECT_EQ(uint16_t(out[256 + t] >> h), numerics::bfloat16FromFloat(m));
    }
    EXPECT_EQ(out[320 + t], a[t ^ 5]);
  }
}

TEST_F(Emulation, HalfFmaRoundsOnce) {
  auto h = [](float x) { return uint32_t(numerics::halfFromFloat(x)); };
  // 1 + 2^-10 squared is 1 + 2^-9 + 2^-20; added to 2^-11 (half an ulp of the sum in f16): the 2^-20 breaks the tie upwards.
  begin(32, {std::vector<uint32_t>(32, h(1 + 0x1p-10f)), std::vector<uint32_t>(32, h(0x1p-11f))}, 32);
  Value tid = thread(), x = loadWord(arguments[0], tid), z = loadWord(arguments[1], tid);
  storeWord(w->packedMath(kernel::HalfMath::Fma, {x, x, z}, w->f16()), tid);
  ASSERT_EQ(run(), "");
  EXPECT_EQ(words()[0] & 0xffff, h(1 + 0x1p-9f + 0x1p-10f));
}

//===--- Tensor cores ----------------------------------------------------------------------===//

template <typename A> std::vector<int64_t> product(unsigned m, unsigned n, unsigned k, A at) {
  std::vector<int64_t> c(m * n);
  for (unsigned r = 0; r < m; ++r)
    for (unsigned j = 0; j < n; ++j)
      for (unsigned i = 0; i < k; ++i)
        c[r * n + j] += at(0, r, i) * at(1, j, i);
  return c;
}

TEST_F(Emulation, MmaSync) {
  for (auto kind : {KernelWriter::Mma::S8, KernelWriter::Mma::S4}) {
    struct Plain : Emulation {
      void TestBody() override {}
    } e;
    auto a = randomWords(16 * 8, 5), b = randomWords(8 * 8, 6); // rows of 8 words
    e.begin(32, {a, b}, 128);
    KernelWriter &w = *e.w;
    Value lane = e.thread(), g = w.divu(lane, 4), t = w.remu(lane, 4);
    Values fragment, columns;
    for (unsigned k = 0; k < 4; ++k)
      fragment.push_back(e.loadWord(e.arguments[0], w.add(w.mul(w.add(g, k % 2 * 8), 8), w.add(t, k / 2 * 4))));
    for (unsigned k = 0; k < 2; ++k)
      columns.push_back(e.loadWord(e.arguments[1], w.add(w.mul(g, 8), w.add(t, k * 4))));
    Value one = w.constant(1);
    Values c = w.mmaSync(kind, fragment, columns, {one, one, one, one});
    for (unsigned k = 0; k < 4; ++k)
      e.storeWord(c[k], w.add(w.mul(w.add(g, k / 2 * 8), 8), w.add(w.mul(t, 2), k % 2)));
    ASSERT_EQ(e.run(), "");
    unsigned bits = kind == KernelWriter::Mma::S8 ? 8 : 4, per = 32 / bits;
    auto expected = product(16, 8, 8 * per, [&](int which, unsigned row, unsigned k) {
      uint32_t word = (which ? b : a)[row * 8 + k / per];
      return int64_t(int32_t(word << (32 - bits - k % per * bits)) >> (32 - bits));
    });
    for (unsigned i = 0; i < 128; ++i)
      EXPECT_EQ(int32_t(e.words()[i]), expected[i] + 1) << i;
  }
}

/// Two tiles of 64 rows by 128 bytes (A) and 16 rows (B) in shared memory with the 128-byte swizzle, then one wgmma.
struct Wgmma : Emulation {
  std::vector<uint32_t> a = randomWords(64 * 32, 7), b = randomWords(16 * 32, 8);
  Value descriptorA, descriptorB, zeros;

  void fill() {
    begin(128, {a, b}, 64 * 16, 64 * 128 + 16 * 128);
    Value tid = thread(), shared = w->sharedMemory();
    for (auto [which, rows, at] : {std::tuple(0u, 64u, 0u), std::tuple(1u, 16u, 64u * 128)})
      w->loop(0, rows * 8 / 128, 1, {}, [&, which = which, at = at](Value i, ValueRange) -> Values {
        Value piece = w->add(w->mul(i, 128), tid), row = w->divu(piece, 8), chunk = w->remu(piece, 8);
        Values words = w->loadWords(w->offset(arguments[which], w->mul(piece, 16)), 4);
        Value to = w->add(w->mul(row, 128), w->mul(w->xori(chunk, w->andi(row, 7)), 16));
        w->storeWords(words, w->offset(w->offset(shared, at), to));
        return {};
      });
    w->barrier();
    descriptorA = w->descriptor(w->pointerToInt(shared));
    descriptorB = w->descriptor(w->pointerToInt(w->offset(shared, 64 * 128)));
    zeros = LLVM::ZeroOp::create(w->builder, w->loc, w->structOf(8, w->i32()));
  }
  void storeAll(Value accumulators) {
    Value tid = thread(), row = w->add(w->mul(w->divu(tid, 32), 16), w->divu(w->andi(tid, 31), 4)), t = w->andi(tid, 3);
    for (unsigned e = 0; e < 8; ++e)
      storeWord(w->extract(accumulators, e), w->add(w->mul(w->add(row, e / 2 % 2 * 8), 16), w->add(w->mul(t, 2), e / 4 * 8 + e % 2)));
  }
  int64_t at(int which, unsigned row, unsigned k) { return int8_t((which ? b : a)[row * 32 + k / 4] >> (k % 4 * 8)); }
};

TEST_F(Wgmma, ChainOfFour) {
  fill();
  w->wgmmaFence();
  Value acc = zeros;
  for (unsigned k = 0; k < 4; ++k) {
    Value step = w->constant(2 * k, w->i64());
    acc = w->wgmmaShared(KernelWriter::Wgmma::S8, 16, w->add(descriptorA, step), w->add(descriptorB, step), acc, false);
  }
  w->wgmmaCommit();
  w->wgmmaWait(0);
  storeAll(acc);
  ASSERT_EQ(run(), "");
  auto expected = product(64, 16, 128, [&](int which, unsigned row, unsigned k) { return at(which, row, k); });
  for (unsigned i = 0; i < 64 * 16; ++i)
    ASSERT_EQ(int32_t(words()[i]), expected[i]) << i;
}
TEST_F(Wgmma, ResultBeforeWait) {
  fill();
  Value acc = w->wgmmaShared(KernelWriter::Wgmma::S8, 16, descriptorA, descriptorB, zeros, false);
  w->wgmmaCommit();
  storeAll(acc);
  w->wgmmaWait(0);
  EXPECT_SAYS(run(), "a register that a wgmma in flight writes: expected a wait_group before it");
}
TEST_F(Wgmma, OperandsAreReadLate) { // a stage that is overwritten before the wait gives other numbers
  fill();
  Value acc = w->wgmmaShared(KernelWriter::Wgmma::S8, 16, descriptorA, descriptorB, zeros, true);
  w->wgmmaCommit();
  w->barrier();
  w->storeWords({w->constant(0), w->constant(0), w->constant(0), w->constant(0)}, w->offset(w->sharedMemory(), w->mul(thread(), 16)));
  w->barrier();
  w->wgmmaWait(0);
  storeAll(acc);
  ASSERT_EQ(run(), "");
  EXPECT_EQ(words()[0], 0u); // rows 0..15 of A are zero by then
}
TEST_F(Wgmma, PoisonStaysInItsRow) { // rows that nobody wrote do not spoil the others
  begin(128, {a, b}, 64 * 16, 64 * 128 + 16 * 128);
  Value tid = thread(), shared = w->sharedMemory();
  Value row = w->divu(tid, 8), chunk = w->remu(tid, 8); // 16 rows of A, 16 of B
  Value to = w->add(w->mul(row, 128), w->mul(w->xori(chunk, w->andi(row, 7)), 16));
  w->storeWords(w->loadWords(w->offset(arguments[0], w->mul(tid, 16)), 4), w->offset(shared, to));
  w->storeWords(w->loadWords(w->offset(arguments[1], w->mul(tid, 16)), 4), w->offset(w->offset(shared, 64 * 128), to));
  w->barrier();
  zeros = LLVM::ZeroOp::create(w->builder, w->loc, w->structOf(8, w->i32()));
  Value acc = w->wgmmaShared(KernelWriter::Wgmma::S8, 16, w->descriptor(w->pointerToInt(shared)),
                             w->descriptor(w->pointerToInt(w->offset(shared, 64 * 128))), zeros, true);
  w->wgmmaCommit();
  w->wgmmaWait(0);
  w->ifThen(w->ult(tid, 32), [&] { storeAll(acc); });
  ASSERT_EQ(run(), "");
  auto expected = product(16, 16, 32, [&](int which, unsigned row, unsigned k) { return at(which, row, k); });
  for (unsigned i = 0; i < 16 * 16; ++i)
    ASSERT_EQ(int32_t(words()[i]), expected[i]) << i;
}
TEST_F(Wgmma, PoisonIsNotStored) {
  begin(128, {}, 64 * 16, 64 * 128 + 16 * 128);
  zeros = LLVM::ZeroOp::create(w->builder, w->loc, w->structOf(8, w->i32()));
  Value shared = w->sharedMemory(), d = w->descriptor(w->pointerToInt(shared));
  Value acc = w->wgmmaShared(KernelWriter::Wgmma::S8, 16, d, d, zeros, true);
  w->wgmmaCommit();
  w->wgmmaWait(0);
  storeAll(acc);
  EXPECT_SAYS(run(), "stores an undefined value to the result");
}
TEST_F(Wgmma, Descriptor) {
  fill();
  Value acc = w->wgmmaShared(KernelWriter::Wgmma::S8, 16, w->constant(4, w->i64()), descriptorB, zeros, true);
  w->wgmmaCommit();
  w->wgmmaWait(0);
  storeAll(acc);
  EXPECT_SAYS(run(), "expected a descriptor with 128-byte swizzle");
}
TEST_F(Wgmma, WholeWarpGroup) {
  fill();
  w->ifThen(w->ult(thread(), 96), [&] {
    Value acc = w->wgmmaShared(KernelWriter::Wgmma::S8, 16, descriptorA, descriptorB, zeros, true);
    w->wgmmaCommit();
    w->wgmmaWait(0);
    storeAll(acc);
  });
  EXPECT_SAYS(run(), "the other warps of its warpgroup to issue wgmma");
}

//===--- Memory -------------------------------------------------------------------------------===//

TEST_F(Emulation, Alignment) {
  begin(32, {}, 64);
  w->store(w->constant(1), w->offset(result(), w->add(w->mul(thread(), 4), 2)), 4);
  EXPECT_SAYS(run(), "warp 0 lane 0: expected an address aligned to 4 bytes");
}
TEST_F(Emulation, Bounds) {
  begin(32, {}, 31);
  storeWord(w->constant(1), thread());
  EXPECT_SAYS(run(), "lane 31: expected 4 bytes inside the 124 of parameter 0, found offset 124");
}
TEST_F(Emulation, SharedBounds) {
  begin(32, {}, 32, 64);
  Value word = w->load(w->offset(w->sharedMemory(), w->mul(thread(), 4)), w->i32(), 4);
  storeWord(word, thread());
  EXPECT_SAYS(run(), "lane 16: expected 4 bytes inside the 64 of shared memory");
}
TEST_F(Emulation, ConstantsAreNotWritten) {
  begin(32, {{1, 2, 3}}, 1);
  w->store(w->constant(1), arguments[0], 4);
  EXPECT_SAYS(run(), "writes to parameter 0, which is no result");
}
TEST_F(Emulation, UnwrittenResult) {
  begin(32, {}, 32);
  storeWord(loadWord(result(), thread()), thread());
  EXPECT_SAYS(run(), "reads bytes of the result in parameter 0 at offset 0 that nobody wrote");
}
TEST_F(Emulation, UndefinedValuesAndTheirOrigin) {
  begin(32, {}, 32, 1024);
  Value tid = thread();
  Value word = w->load(w->offset(w->sharedMemory(), w->mul(tid, 4)), w->i32(), 4);
  storeWord(w->add(w->add(word, 1), 2), tid);
  std::string said = run();
  EXPECT_SAYS(said, "stores an undefined value to the result in parameter 0 at offset 0");
  EXPECT_SAYS(said, "it comes from operation");
}
TEST_F(Emulation, UndefinedCondition) {
  begin(32, {}, 32, 1024);
  Value word = w->load(w->sharedMemory(), w->i32(), 4);
  w->ifThen(w->eq(word, 0), [&] { storeWord(word, thread()); });
  EXPECT_SAYS(run(), "expected the condition to be defined");
}
TEST_F(Emulation, UnknownOperation) {
  begin(32, {}, 32);
  NVVM::NanosleepOp::create(w->builder, w->loc, w->constant(5));
  EXPECT_SAYS(run(), "is not known to the emulator");
}

TEST_F(Emulation, CopiesZeroFillAndWait) {
  begin(32, {randomWords(128, 9)}, 128, 512);
  Value tid = thread(), at = w->mul(tid, 16), to = w->offset(w->sharedMemory(), at);
  w->copyAsync(to, w->offset(arguments[0], at), w->remu(tid, 17));
  w->commitCopies();
  w->waitCopies(0);
  Values words = w->loadWords(to, 4);
  w->storeWords(words, w->offset(result(), at));
  ASSERT_EQ(run(), "");
  for (unsigned i = 0; i < 512; ++i)
    EXPECT_EQ(buffers[1].bytes[i], i % 16 < i / 16 % 17 ? buffers[0].bytes[i] : 0) << i;
}
TEST_F(Emulation, CopyIsReadTooEarly) {
  begin(32, {randomWords(128, 9)}, 128, 1024);
  Value at = w->mul(thread(), 16), to = w->offset(w->sharedMemory(), at);
  for (unsigned k = 0; k < 2; ++k) {
    w->copyAsync(w->offset(to, 512 * k), w->offset(arguments[0], at));
    w->commitCopies();
  }
  w->waitCopies(1);
  w->storeWords(w->loadWords(to, 4), w->offset(result(), at)); // the first is there
  w->storeWords(w->loadWords(w->offset(to, 512), 4), w->offset(result(), at));
  EXPECT_SAYS(run(), "reads shared memory at offset 512 that an asynchronous copy is still writing");
}
TEST_F(Emulation, CopyOverwritesACopy) {
  begin(32, {randomWords(128, 9)}, 128, 1024);
  Value at = w->mul(thread(), 16), to = w->offset(w->sharedMemory(), at);
  w->copyAsync(to, w->offset(arguments[0], at));
  w->copyAsync(to, w->offset(arguments[0], at));
  EXPECT_SAYS(run(), "copies to shared memory at offset 0 that an asynchronous copy is still writing");
}

//===--- TMA and mbarriers --------------------------------------------------------------------===//

struct Tma : Emulation {
  EmulatedBuffer matrix;
  Value map, barrier, tile;

  /// 10 rows of 144 bytes; boxes of 8 rows of 128 bytes.
  void start(unsigned count = 1) {
    EmittedKernel kernel;
    kernel.symbol = "k", kernel.threads = 32;
    launch.threads = 32, launch.sharedBytes = 2048;
    kernel.parameters.push_back({Role::Lhs, 0, Form::TensorMap, {}, {}});
    kernel.parameters.push_back({Role::Result, 0, Form::Pointer, {}, {}});
    for (unsigned i = 0; i < 10 * 144; ++i)
      matrix.bytes.push_back(uint8_t(i * 7 + i / 144));
    buffers.emplace_back();
    buffers.back().bytes.resize(1024);
    buffers.back().written.assign(1024, false);
    launch.arguments.resize(2);
    launch.arguments[0].buffer = &matrix;
    launch.arguments[0].map.boxColumns = 128, launch.arguments[0].map.boxRows = 8;
    launch.arguments[0].dims = {144, 10};
    launch.arguments[0].strideBytes = {144};
    launch.arguments[1].buffer = &buffers.back();
    arguments = w->begin(kernel);
    map = arguments[0], tile = w->sharedMemory(), barrier = w->offset(tile, 1024);
    w->ifThen(w->eq(thread(), 0), [&] { w->barrierInit(barrier, count); });
    w->barrier();
  }
  void load() {
    w->ifThen(w->eq(thread(), 0), [&] {
      w->expectBytes(barrier, 1024);
      w->copyTensor(tile, map, {w->constant(64), w->constant(5)}, barrier);
    });
  }
  void copyOut() {
    w->loop(0, 2, 1, {}, [&](Value i, ValueRange) -> Values {
      Value at = w->mul(w->add(w->mul(i, 32), thread()), 16);
      w->storeWords(w->loadWords(w->offset(tile, at), 4), w->offset(result(), at));
      return {};
    });
  }
};
TEST_F(Tma, SwizzleAndZeroFill) {
  start();
  load();
  w->waitParity(barrier, w->constant(0));
  copyOut();
  ASSERT_EQ(run(), "");
  for (unsigned row = 0; row < 8; ++row)
    for (unsigned x = 0; x < 128; ++x) {
      unsigned at = row * 128 + ((x / 16) ^ row) * 16 + x % 16, column = 64 + x, r = 5 + row;
      EXPECT_EQ(buffers.back().bytes[at], column < 144 && r < 10 ? matrix.bytes[r * 144 + column] : 0) << row << " " << x;
    }
}
TEST_F(Tma, ReadBeforeTheBarrier) {
  start();
  load();
  copyOut();
  EXPECT_SAYS(run(), "that an asynchronous copy is still writing");
}
TEST_F(Tma, DeadlockNamesWhoWaits) {
  start(2); // nobody makes the second arrival
  load();
  w->waitParity(barrier, w->constant(0));
  std::string said = run();
  EXPECT_SAYS(said, "no warp of the cluster can go on and no copy is in flight");
  EXPECT_SAYS(said, "warp 0 waits for parity 0 of the mbarrier at shared offset 1024 (phase 0, 1 of 2 arrivals and 0 bytes pending)");
}
TEST_F(Tma, TooManyArrivals) {
  start();
  w->arrive(barrier);
  EXPECT_EQ(run(), ""); // 32 lanes: 32 phases
}
TEST_F(Tma, ArrivalBeyondTheCount) {
  start(2);
  w->ifThen(w->eq(thread(), 0), [&] {
    NVVM::MBarrierArriveOp::create(w->builder, w->loc, w->i64(), barrier, w->constant(3), NVVM::MemScopeKind::CTA, false);
  });
  EXPECT_SAYS(run(), "has 2 arrivals pending, found 3 more");
}
TEST_F(Tma, EndsInFlight) {
  start();
  load();
  EXPECT_SAYS(run(), "ended with an asynchronous copy into its shared memory in flight");
}
TEST_F(Tma, NoBarrier) {
  start();
  w->waitParity(w->offset(barrier, 8), w->constant(0));
  EXPECT_SAYS(run(), "expected an initialised mbarrier at shared offset 1032");
}
TEST_F(Tma, BarrierTwice) {
  start();
  w->ifThen(w->eq(thread(), 0), [&] { w->barrierInit(barrier, 1); });
  EXPECT_SAYS(run(), "the mbarrier at shared offset 1024 is initialised twice");
}
TEST_F(Tma, BarrierBytes) {
  start();
  w->store(w->constant(0), barrier, 4);
  EXPECT_SAYS(run(), "writes shared memory at offset 1024 that is an mbarrier");
}
TEST_F(Tma, DestinationAlignment) {
  start();
  w->ifThen(w->eq(thread(), 0), [&] { w->copyTensor(w->offset(tile, 128), map, {w->constant(0), w->constant(0)}, barrier); });
  EXPECT_SAYS(run(), "expected an address aligned to 1024 bytes");
}
TEST_F(Tma, CoordinateCount) {
  start();
  w->ifThen(w->eq(thread(), 0), [&] { w->copyTensor(tile, map, {w->constant(0), w->constant(0), w->constant(0)}, barrier); });
  EXPECT_SAYS(run(), "expected 2 coordinates for the tensor map, found 3");
}

//===--- Barriers and clusters -----------------------------------------------------------------===//

TEST_F(Emulation, NamedBarriers) {
  begin(96, {}, 32, 128);
  Value tid = thread(), slot = w->offset(w->sharedMemory(), w->mul(w->andi(tid, 31), 4));
  w->ifThenElse(
      w->ult(tid, 32), [&] {},
      [&] {
        w->ifThen(w->ult(tid, 64), [&] { w->store(tid, slot, 4); });
        w->barrier(3, 64);
        w->ifThen(w->uge(tid, 64), [&] { storeWord(w->load(slot, w->i32(), 4), w->sub(tid, 64)); });
      });
  for (uint64_t seed = 1; seed < 8; ++seed) {
    launch.seed = seed;
    if (seed == 1) {
      ASSERT_EQ(run(), "");
    } else {
      ASSERT_TRUE(succeeded(emulate(w->function, launch)));
    }
    EXPECT_EQ(words()[5], 37u);
  }
}
TEST_F(Emulation, MissingBarrierIsSeen) {
  begin(64, {}, 32, 128);
  Value tid = thread(), slot = w->offset(w->sharedMemory(), w->mul(w->andi(tid, 31), 4));
  w->ifThenElse(w->ult(tid, 32), [&] { w->store(tid, slot, 4); }, [&] { storeWord(w->load(slot, w->i32(), 4), w->sub(tid, 32)); });
  w->end();
  unsigned failures = 0;
  for (launch.seed = 1; launch.seed < 20; ++launch.seed) {
    ScopedDiagnosticHandler handler(&context, [&](Diagnostic &) { return success(); });
    failures += failed(emulate(w->function, launch));
  }
  EXPECT_GT(failures, 3u);
}
TEST_F(Emulation, BarrierThreadCounts) {
  begin(64, {}, 32);
  w->ifThenElse(w->ult(thread(), 32), [&] { w->barrier(1, 64); }, [&] { w->barrier(1, 32 * 3); });
  EXPECT_SAYS(run(), "expected a barrier 0..15 of a multiple of 32 threads of the CTA's 64, found barrier 1 of 96");
}
TEST_F(Emulation, BarrierInADivergentWarp) {
  begin(32, {}, 32);
  w->ifThen(w->ult(thread(), 5), [&] { w->barrier(); });
  EXPECT_SAYS(run(), "expected all lanes of the warp, found the lanes 0x1f");
}
TEST_F(Emulation, ClusterPush) { // each CTA sends its thread numbers to the other and counts the bytes on its barrier
  begin(32, {}, 64, 1024, 2, 2);
  Value tid = thread(), shared = w->sharedMemory(), barrier = w->offset(shared, 512), rank = w->clusterRank();
  w->ifThen(w->eq(tid, 0), [&] {
    w->barrierInit(barrier, 1);
    w->expectBytes(barrier, 512);
  });
  w->fenceBarrierInit();
  w->clusterArriveRelaxed();
  w->clusterWait();
  Value other = w->xori(rank, 1);
  auto map = [&](Value address) { return kernel::MapSharedOp::create(w->builder, w->loc, w->i32(), w->pointerToInt(address), other).getResult(); };
  Value word = w->add(w->mul(rank, 1000), tid);
  kernel::StoreAsyncOp::create(w->builder, w->loc, map(w->offset(shared, w->mul(tid, 16))), word, word, word, word, map(barrier));
  w->waitParity(barrier, w->constant(0));
  storeWord(w->load(w->offset(shared, w->mul(tid, 16)), w->i32(), 4), w->add(w->mul(rank, 32), tid));
  w->clusterArrive();
  w->clusterWait();
  ASSERT_EQ(run(), "");
  EXPECT_EQ(words()[3], 1003u);
  EXPECT_EQ(words()[32 + 3], 3u);
}
TEST_F(Emulation, EndedCta) { // the first CTA ends without waiting for what the second sends it
  begin(32, {}, 64, 1024, 2, 2);
  Value tid = thread(), shared = w->sharedMemory(), barrier = w->offset(shared, 512), rank = w->clusterRank();
  w->ifThen(w->eq(tid, 0), [&] { w->barrierInit(barrier, 1); });
  w->clusterArriveRelaxed();
  w->clusterWait();
  w->ifThen(w->eq(rank, 1), [&] {
    w->arrive(barrier);
    w->barrier();
    kernel::ArriveRemoteOp::create(w->builder, w->loc, w->pointerToInt(barrier), w->constant(0));
  });
  w->end();
  unsigned failures = 0;
  std::string text;
  for (launch.seed = 1; launch.seed < 20; ++launch.seed) {
    ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) {
      text = diagnostic.str();
      return success();
    });
    failures += failed(emulate(w->function, launch));
  }
  EXPECT_GT(failures, 3u);
  EXPECT_SAYS(text, "reaches the shared memory of CTA (0, 0), which has ended");
}
TEST_F(Emulation, ClusterWaitAlone) {
  begin(32, {}, 32);
  w->clusterWait();
  EXPECT_SAYS(run(), "waits at the cluster's barrier without an arrival of its own");
}
TEST_F(Emulation, ClusterArriveTwice) {
  begin(32, {}, 32);
  w->clusterArrive();
  w->clusterArrive();
  EXPECT_SAYS(run(), "arrives at the cluster's barrier twice: expected a wait in between");
}
TEST_F(Emulation, BarrierLeftBehind) {
  begin(64, {}, 32);
  w->ifThen(w->ult(thread(), 32), [&] { NVVM::BarrierArriveOp::create(w->builder, w->loc, w->constant(2), w->constant(64)); });
  EXPECT_SAYS(run(), "the CTA ended with 32 of 64 threads arrived at barrier 2");
}
TEST_F(Emulation, ClusterRankOutside) {
  begin(32, {}, 64, 1024);
  Value address = kernel::MapSharedOp::create(w->builder, w->loc, w->i32(), w->pointerToInt(w->sharedMemory()), w->constant(1));
  storeWord(address, thread());
  EXPECT_SAYS(run(), "expected a rank below the cluster's size 1, found 1");
}

//===--- Launches -------------------------------------------------------------------------------===//

TEST_F(Emulation, LaunchShape) {
  begin(32, {}, 32);
  launch.threads = 48;
  EXPECT_SAYS(run(), "expected 32..1024 threads in whole warps, found 48");
}
TEST_F(Emulation, LaunchCluster) {
  begin(32, {}, 32);
  launch.gridX = 3, launch.cluster = 2;
  EXPECT_SAYS(run(), "expected a grid of whole clusters of 2, found 3");
}
TEST_F(Emulation, LaunchShared) {
  begin(32, {}, 32, 300000);
  EXPECT_SAYS(run(), "expected at most 232448 bytes of shared memory, found 300000");
}
TEST_F(Emulation, LaunchArguments) {
  begin(32, {}, 32);
  launch.arguments.pop_back();
  EXPECT_SAYS(run(), "expected 1 arguments, found 0");
}

} // namespace
