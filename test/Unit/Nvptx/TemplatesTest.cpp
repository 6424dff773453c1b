//===- TemplatesTest.cpp - every template in the emulator --------------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "GemmCase.h"
#include <chrono>
#include <gtest/gtest.h>
#include <map>
#include <thread>

using namespace mlir;
using namespace bitwright;
using namespace bitwright::nvptx;
using kernel::GpuTemplate;

namespace {

/// `count` cases, two at a time; what failed, by seed.
struct Sweep {
  Sweep(GpuTemplate kind, Arch arch) : kind(kind), arch(arch) {}
  GpuTemplate kind;
  Arch arch;
  unsigned first = 0, count = 300;
  unsigned covered = 0;
  std::map<std::string, unsigned> refused, names;
  std::vector<std::string> failures;
  std::mutex mutex;
  std::atomic<unsigned> next{0};

  void work() {
    MLIRContext context(MLIRContext::Threading::DISABLED);
    loadDialects(context);
    for (unsigned i; (i = next++) < count;) {
      // Emitting a kernel leaves types and attributes behind; a fresh context now and then keeps memory small.
      GemmCase test = makeCase(context, first + i, kind, arch);
      std::string text = test.schedule ? tryKernel(test.op, test.schedule, test.options) : "";
      std::lock_guard<std::mutex> lock(mutex);
      if (!test.schedule) {
        ++refused[test.name.substr(0, test.name.find(' ')) + ": " + test.refused];
        continue;
      }
      ++covered;
      ++names[test.name];
      if (!text.empty() && failures.size() < 12)
        failures.push_back("case " + std::to_string(first + i) + ", " + test.name + ": " + text + "\n" + test.describe());
      else if (!text.empty())
        failures.push_back("");
    }
  }
  void run(unsigned atLeast) {
    if (const char *seed = getenv("BITWRIGHT_CASE"))
      first = unsigned(atoi(seed)), count = 1, atLeast = 0;
    if (const char *number = getenv("BITWRIGHT_CASES"))
      count = unsigned(atoi(number)), atLeast = 0;
    auto start = std::chrono::steady_clock::now();
    std::thread other([&] { work(); });
    work();
    other.join();
    double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    for (const std::string &failure : failures)
      if (!failure.empty())
        ADD_FAILURE() << failure;
    EXPECT_EQ(failures.size(), 0u);
    EXPECT_GE(covered, atLeast) << "the template covers fewer cases than it did";
    std::printf("%u of %u cases covered, %zu kinds, %.1f s\n", covered, count, names.size(), seconds);
    for (auto &[text, number] : refused)
      std::printf("  %u not covered: %s\n", number, text.c_str());
  }
};

TEST(Templates, WgmmaSs) {
  Sweep sweep(GpuTemplate::WgmmaSs, Arch::Sm90a);
  sweep.run(0);
}
TEST(Templates, MultistageSm80) {
  Sweep sweep(GpuTemplate::Multistage, Arch::Sm80);
  sweep.run(0);
}
TEST(Templates, MultistageSm90a) {
  Sweep sweep(GpuTemplate::Multistage, Arch::Sm90a);
  sweep.run(0);
}
TEST(Templates, WgmmaRs) {
  Sweep sweep(GpuTemplate::WgmmaRs, Arch::Sm90a);
  sweep.run(0);
}
TEST(Templates, DecodeSm90a) {
  Sweep sweep(GpuTemplate::Decode, Arch::Sm90a);
  sweep.run(0);
}
TEST(Templates, DecodeSm80) {
  Sweep sweep(GpuTemplate::Decode, Arch::Sm80);
  sweep.run(0);
}
TEST(Templates, Rows) {
  Sweep sweep(GpuTemplate::Rows, Arch::Sm90a);
  sweep.run(0);
}

} // namespace
