//===- MutationTest.cpp - broken kernels are found out -----------------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// Each operation that orders a kernel - a wait, an arrival, a barrier - is taken out, one at a time. The emulator must
// notice for some seed: by a message, or by a wrong result. What it cannot notice is listed here by name.
//
//===----------------------------------------------------------------------===//

#include "GemmCase.h"
#include "dialects/Kernel/Device.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Parser/Parser.h"
#include <gtest/gtest.h>
#include <map>

using namespace mlir;
using namespace bitwright;
using namespace bitwright::nvptx;

namespace {

bool orders(Operation *op) {
  return isa<NVVM::MBarrierTryWaitParityOp, NVVM::MBarrierArriveOp, NVVM::MBarrierArriveExpectTxOp, NVVM::MBarrierInitOp,
             NVVM::BarrierOp, NVVM::WgmmaWaitGroupSyncOp, NVVM::WgmmaGroupSyncAlignedOp, NVVM::CpAsyncWaitGroupOp,
             NVVM::CpAsyncCommitGroupOp, NVVM::ClusterArriveOp, NVVM::ClusterWaitOp, NVVM::ClusterArriveRelaxedOp,
             kernel::ArriveRemoteOp>(op);
}

struct Survivors {
  std::map<std::string, unsigned> tried, survived;
};

/// Takes out each ordering operation of the kernel in turn.
void mutate(const std::string &text, int64_t m, unsigned residentCtas, Survivors &out) {
  MLIRContext context(MLIRContext::Threading::DISABLED);
  loadDialects(context);
  auto module = parseSourceString<ModuleOp>(text, &context);
  ASSERT_TRUE(module);
  auto gemm = cast<kernel::GemmOp>(&module->getBody()->front());
  auto schedule = cast<kernel::ScheduleAttr>((*gemm.getSchedules())[0]);
  TrialOptions options;
  options.m = m, options.residentCtas = residentCtas;
  ASSERT_EQ(tryKernel(gemm, schedule, options), "");
  unsigned count = 0;
  options.change = [&](LLVM::LLVMFuncOp function) { function.walk([&](Operation *op) { count += orders(op); }); };
  tryKernel(gemm, schedule, options);
  ASSERT_GT(count, 0u);
  for (unsigned which = 0; which < count; ++which) {
    std::string name;
    bool found = false;
    for (options.seed = 1; options.seed <= 6 && !found; ++options.seed) {
      options.change = [&](LLVM::LLVMFuncOp function) {
        unsigned number = 0;
        Operation *victim = nullptr;
        function.walk([&](Operation *op) {
          if (orders(op) && number++ == which)
            victim = op;
        });
        name = victim->getName().getStringRef().str();
        victim->dropAllUses();
        victim->erase();
      };
      found = !tryKernel(gemm, schedule, options).empty();
    }
    ++out.tried[name];
    if (!found)
      ++out.survived[name + " number " + std::to_string(which)];
  }
}

void expectFound(const Survivors &survivors, const std::vector<std::string> &known) {
  for (auto &[name, number] : survivors.tried)
    std::printf("  %u x %s taken out\n", number, name.c_str());
  for (auto &entry : survivors.survived) {
    StringRef name = entry.first;
    EXPECT_TRUE(llvm::any_of(known, [&](const std::string &k) { return name.contains(k); })) << entry.first << " was not missed";
  }
}

const char *epilogue = " operands [#kernel.operand<row, f32>, #kernel.operand<column, f32>] results [f16] schedules [";
const char *integerBody = "] {\n^bb0(%acc: i32, %r: f32, %c: f32):\n  %f = arith.sitofp %acc : i32 to f32\n  %g = arith.mulf %f, %r : f32\n"
                          "  %h = arith.mulf %g, %c : f32\n  %t = arith.truncf %h : f32 to f16\n  kernel.emit %t : f16\n}\n";
const char *floatBody = "] {\n^bb0(%acc: f32, %r: f32, %c: f32):\n  %g = arith.mulf %acc, %r : f32\n"
                        "  %h = arith.mulf %g, %c : f32\n  %t = arith.truncf %h : f32 to f16\n  kernel.emit %t : f16\n}\n";

TEST(Mutation, Multistage) {
  Survivors survivors;
  mutate(std::string("kernel.gemm @g n 128 segments [#kernel.segment<lhs = i8, rhs = i8, k = 512, grouping = none, place = none>]") + epilogue +
             "#kernel.schedule<arch = \"sm_80\", kind = multistage, tile_m = 64, tile_n = 64, tile_k = 64, stages = 3, warps_m = 2, warps_n = 2>" + integerBody,
         100, 3, survivors);
  expectFound(survivors, {});
}
TEST(Mutation, WgmmaSs) {
  Survivors survivors;
  mutate(std::string("kernel.gemm @g n 256 segments [#kernel.segment<lhs = i8, rhs = i8, k = 1024, grouping = none, place = none>]") + epilogue +
             "#kernel.schedule<arch = \"sm_90a\", kind = wgmma_ss, tile_m = 128, tile_n = 64, tile_k = 128, stages = 3>" + integerBody,
         200, 2, survivors);
  expectFound(survivors, {});
}
TEST(Mutation, WgmmaSsSplit) {
  Survivors survivors;
  mutate(std::string("kernel.gemm @g n 128 segments [#kernel.segment<lhs = i8, rhs = i8, k = 1024, grouping = none, place = none>]") + epilogue +
             "#kernel.schedule<arch = \"sm_90a\", kind = wgmma_ss, m_hi = 64, tile_m = 64, tile_n = 64, tile_k = 128, stages = 3, cluster = 2, split_k = 2>" + integerBody,
         50, 2, survivors);
  // The last arrival of a ring, and the wait before the end that keeps shared memory alive for a late neighbour.
  expectFound(survivors, {"nvvm.mbarrier.arrive number", "nvvm.cluster.wait", "nvvm.cluster.arrive"});
}
TEST(Mutation, WgmmaRs) {
  Survivors survivors;
  mutate(std::string("kernel.gemm @g n 128 segments [#kernel.segment<lhs = i8, rhs = i4, k = 512, group = 128, grouping = two_level, place = before_mma>]") + epilogue +
             "#kernel.schedule<arch = \"sm_90a\", kind = wgmma_rs, tile_m = 32, tile_n = 128, tile_k = 128, stages = 3>" + integerBody,
         60, 1, survivors);
  // A commit taken out joins two groups: later waits wait for more. The waits between k-blocks protect registers, which
  // have no second life here; the last barrier guards what a larger grid would reuse.
  expectFound(survivors, {"wgmma.commit", "wgmma.wait.group", "nvvm.barrier"});
}
TEST(Mutation, Decode) {
  Survivors survivors;
  mutate(std::string("kernel.gemm @g n 256 segments [#kernel.segment<lhs = i8, rhs = i4, k = 1024, group = 128, grouping = scale, scale = f16, place = partial_sums>]") + epilogue +
             "#kernel.schedule<arch = \"sm_90a\", kind = decode, m_hi = 16, tile_m = 16, stages = 3, warps_m = 2, warps_k = 2, cluster = 2, split_k = 2, in_flight = 1, chunk = 128>" + floatBody,
         13, 2, survivors);
  // Order at the start and the end that the small case does not need.
  expectFound(survivors, {"nvvm.barrier", "nvvm.cluster.wait", "nvvm.cluster.arrive"});
}

} // namespace
