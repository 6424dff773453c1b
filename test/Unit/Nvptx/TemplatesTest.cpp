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

/// `count` cases that the template covers, two at a time; what failed, by seed. Of the seeds tried at most as many again
/// may be refused, each by a predicate of `supports`.
struct Sweep {
  Sweep(GpuTemplate kind, Arch arch) : kind(kind), arch(arch) {}
  GpuTemplate kind;
  Arch arch;
  unsigned first = 0, count = 300;
  std::atomic<unsigned> covered{0};
  unsigned tries = 0;
  std::map<std::string, unsigned> refused, names;
  std::vector<std::string> failures;
  std::mutex mutex;
  std::atomic<unsigned> next{0};

  void work() {
    MLIRContext context(MLIRContext::Threading::DISABLED);
    loadDialects(context);
    for (unsigned i; (i = next++) < tries && covered < count;) {
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
  void run() {
    unsigned atLeast = count;
    if (const char *seed = getenv("BITWRIGHT_CASE"))
      first = unsigned(atoi(seed)), count = 1, atLeast = 1;
    if (const char *number = getenv("BITWRIGHT_CASES"))
      count = atLeast = unsigned(atoi(number));
    tries = 2 * count;
    auto start = std::chrono::steady_clock::now();
    std::thread other([&] { work(); });
    work();
    other.join();
    double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    for (const std::string &failure : failures)
      if (!failure.empty())
        ADD_FAILURE() << failure;
    EXPECT_EQ(failures.size(), 0u);
    EXPECT_GE(unsigned(covered), atLeast) << "the template refuses more than half of its cases";
    std::printf("%u cases, %zu kinds of them, %.1f s\n", unsigned(covered), names.size(), seconds);
    for (auto &[text, number] : refused)
      std::printf("  %u not covered: %s\n", number, text.c_str());
  }
};

TEST(Templates, WgmmaSs) {
  Sweep sweep(GpuTemplate::WgmmaSs, Arch::Sm90a);
  sweep.run();
}
TEST(Templates, MultistageSm80) {
  Sweep sweep(GpuTemplate::Multistage, Arch::Sm80);
  sweep.run();
}
TEST(Templates, MultistageSm90a) {
  Sweep sweep(GpuTemplate::Multistage, Arch::Sm90a);
  sweep.run();
}
TEST(Templates, WgmmaRs) {
  Sweep sweep(GpuTemplate::WgmmaRs, Arch::Sm90a);
  sweep.run();
}
TEST(Templates, DecodeSm90a) {
  Sweep sweep(GpuTemplate::Decode, Arch::Sm90a);
  sweep.run();
}
TEST(Templates, DecodeSm80) {
  Sweep sweep(GpuTemplate::Decode, Arch::Sm80);
  sweep.run();
}
TEST(Templates, Rows) {
  Sweep sweep(GpuTemplate::Rows, Arch::Sm90a);
  sweep.run();
}

} // namespace
