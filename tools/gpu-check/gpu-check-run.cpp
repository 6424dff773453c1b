//===- gpu-check-run.cpp - the cases of a folder, on a device ---------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// gpu-check-run FOLDER [--device N] [--match TEXT] [--first N]: runs every case, compares each result bit for bit with the naive
// kernel of the folder and, where the interpreter left one, with its checksum; looks at the memory behind each result.
// A launch that fails or does not end within five seconds is named and ends the process with status 3, as nothing after
// it could be trusted; `--first N` goes on behind it. Exit status 0: all cases passed.
//
//===----------------------------------------------------------------------===//

#include "tools/gpu-check/Launcher.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>

using namespace bitwright;
using namespace bitwright::gpucheck;
using namespace bitwright::runtime;

static constexpr size_t guardBytes = 1024; ///< poisoned memory behind a result
static constexpr uint8_t poison = 0xa5;
static constexpr int timeLimit = 5000; ///< milliseconds

namespace {

/// What one case needs on the device besides the kernels.
struct CaseMemory {
  cuda::Memory lhs;
  std::vector<SegmentData> segments;
  std::vector<cuda::Memory> operands;
};

class Checker {
public:
  Checker(cuda::ContextPtr context, std::string folder) : context(std::move(context)), folder(std::move(folder)) {}

  Status prepare() { return cuda::Stream::create(context, stream); }

  Status find(const std::vector<FolderKernel> &kernels, const std::string &symbol, LoadedKernel *&result) {
    auto &entry = loaded[symbol];
    if (!entry) {
      entry = std::make_unique<LoadedKernel>();
      const FolderKernel *description = nullptr;
      for (const FolderKernel &kernel : kernels)
        if (kernel.symbol == symbol)
          description = &kernel;
      if (!description)
        return failure(BW_INVALID_FILE, "the folder has no kernel '" + symbol + "'");
      if (Status status = LoadedKernel::load(context, folder, *description, *entry); !status.ok())
        return status;
    }
    result = entry.get();
    return {};
  }

  Status put(const std::vector<uint8_t> &bytes, const char *what, cuda::Memory &memory) {
    Status status = cuda::Memory::allocate(context, std::max<size_t>(bytes.size(), 16), what, memory);
    if (status.ok() && !bytes.empty())
      status = memory.upload(bytes.data(), bytes.size(), stream.handle());
    return status.ok() ? stream.synchronize() : status;
  }

  Status make(const FolderKernel &kernel, const FolderCase &c, CaseMemory &memory) {
    if (!kernel.segments.empty())
      if (Status status = put(makeLhs(kernel.segments, c.m, c.seed), "left operand", memory.lhs); !status.ok())
        return status;
    for (size_t i = 0; i < kernel.segments.size(); ++i)
      memory.segments.push_back(makeSegment(kernel.segments[i], kernel.n, c.seed + 101 * (i + 1)));
    for (size_t i = 0; i < kernel.operands.size(); ++i) {
      const FolderOperand &operand = kernel.operands[i];
      int64_t count = operand.kind == "row"       ? c.m
                      : operand.kind == "column"  ? kernel.n
                      : operand.kind == "element" ? c.m * kernel.n
                      : operand.kind == "table"   ? 256
                                                  : 1;
      memory.operands.emplace_back();
      auto bytes = makeOperand(operand.type, count, operand.low, operand.high, c.seed + 1009 * (i + 1));
      if (Status status = put(bytes, "operand", memory.operands.back()); !status.ok())
        return status;
    }
    return {};
  }

  /// Runs `kernel` on the case; gives the bytes of each result with its guard.
  Status run(LoadedKernel &kernel, const FolderCase &c, const CaseMemory &memory,
             std::vector<std::vector<uint8_t>> &results) {
    std::vector<cuda::Memory> constants, outputs;
    if (Status status = kernel.upload(memory.segments, stream, constants); !status.ok())
      return status;
    for (size_t i = 0; i < resultCount(kernel.description()); ++i) {
      outputs.emplace_back();
      size_t bytes = resultBytes(kernel.description(), i, c.m) + guardBytes;
      Status status = cuda::Memory::allocate(context, bytes, "result", outputs.back());
      if (status.ok())
        status = outputs.back().fill(poison, stream.handle());
      if (!status.ok())
        return status;
    }
    if (Status status = kernel.launch(c.m, memory.lhs, constants, memory.operands, outputs, stream.handle());
        !status.ok())
      return status;
    if (Status status = stream.synchronize(timeLimit); !status.ok()) {
      // Freeing memory would wait for the kernel for ever: say so and leave.
      std::printf("FAIL %s M=%lld seed=%llu %s\n     %s\n", kernel.description().symbol.c_str(), (long long)c.m,
                  (unsigned long long)c.seed, kernel.description().schedule.c_str(), status.text.c_str());
      std::printf("gpu-check: stopped at case %zu\n", number);
      std::fflush(stdout);
      std::_Exit(3);
    }
    for (cuda::Memory &output : outputs) {
      results.emplace_back(output.size());
      if (Status status = output.download(results.back().data(), output.size(), stream.handle()); !status.ok())
        return status;
    }
    return stream.synchronize();
  }

  /// "" or what is wrong.
  std::string compare(const FolderKernel &kernel, const FolderCase &c, const std::vector<std::vector<uint8_t>> &found,
                      const std::vector<std::vector<uint8_t>> &expected) {
    for (size_t r = 0; r < found.size(); ++r) {
      size_t size = resultBytes(kernel, r, c.m);
      for (size_t i = size; i < found[r].size(); ++i)
        if (found[r][i] != poison)
          return "result " + std::to_string(r) + ": byte " + std::to_string(i - size) + " behind its end was written";
      size_t bytes = r == 1 && kernel.quantize ? 4 : bitsOf(kernel.results[r]) / 8, wrong = 0, first = 0;
      for (size_t i = 0; i < size && !expected.empty(); i += bytes)
        if (std::memcmp(&found[r][i], &expected[r][i], bytes) && wrong++ == 0)
          first = i / bytes;
      if (wrong) {
        uint32_t got = 0, want = 0;
        std::memcpy(&got, &found[r][first * bytes], bytes);
        std::memcpy(&want, &expected[r][first * bytes], bytes);
        char text[200];
        size_t width = r == 1 && kernel.quantize ? 1 : size_t(kernel.n);
        std::snprintf(text, sizeof text, "result %zu: %zu of %zu elements differ, first (%zu, %zu): 0x%x, expected 0x%x", r,
                      wrong, size / bytes, first / width, first % width, got, want);
        return text;
      }
      if (r < c.checksums.size() && checksum(found[r].data(), size) != c.checksums[r])
        return "result " + std::to_string(r) + ": not the interpreter's checksum" +
               (expected.empty() ? "" : ", but equal to the naive kernel");
    }
    return "";
  }

  size_t number = 0; ///< of the case that runs

private:
  cuda::ContextPtr context;
  std::string folder;
  cuda::Stream stream;
  std::map<std::string, std::unique_ptr<LoadedKernel>> loaded;
};

int fail(const std::string &text) {
  std::fprintf(stderr, "gpu-check-run: %s\n", text.c_str());
  return 1;
}

} // namespace

int main(int argc, char **argv) {
  std::string folder, match;
  int device = 0;
  size_t first = 0;
  std::setvbuf(stdout, nullptr, _IOLBF, 1 << 16);
  for (int i = 1; i < argc; ++i) {
    if (!std::strcmp(argv[i], "--device") && i + 1 < argc)
      device = std::atoi(argv[++i]);
    else if (!std::strcmp(argv[i], "--first") && i + 1 < argc)
      first = size_t(std::atoll(argv[++i]));
    else if (!std::strcmp(argv[i], "--match") && i + 1 < argc)
      match = argv[++i];
    else if (argv[i][0] != '-' && folder.empty())
      folder = argv[i];
    else
      return std::fprintf(stderr, "usage: gpu-check-run FOLDER [--device N] [--match TEXT] [--first N]\n"), 2;
  }
  std::vector<FolderKernel> kernels;
  std::string error;
  if (!readFolder(folder, kernels, error))
    return fail(error);
  cuda::ContextPtr context;
  if (Status status = cuda::Context::open(device, context); !status.ok())
    return fail(status.text);
  std::printf("%s, compute capability %d.%d\n", context->device().name.c_str(), context->device().major,
              context->device().minor);
  Checker checker(context, folder);
  if (Status status = checker.prepare(); !status.ok())
    return fail(status.text);
  size_t number = 0, passed = 0, failed = 0, skipped = 0, sums = 0;
  std::map<std::string, std::pair<size_t, size_t>> byTag;
  for (const FolderKernel &kernel : kernels) {
    if (kernel.symbol.find(match) == std::string::npos)
      continue;
    // sm_80 code runs on later devices of its major version only; the PTX beside it is what others use.
    bool runs = kernel.arch == "sm_90a" ? context->device().capability() == 90 : context->device().major == 8;
    for (const FolderCase &c : kernel.cases) {
      checker.number = ++number;
      if (number <= first)
        continue;
      if (!runs) {
        ++skipped;
        continue;
      }
      CaseMemory memory;
      std::vector<std::vector<uint8_t>> found, expected;
      LoadedKernel *fast = nullptr, *naive = nullptr;
      Status status = checker.find(kernels, kernel.symbol, fast);
      if (status.ok() && c.naive != "-")
        status = checker.find(kernels, c.naive, naive);
      if (status.ok())
        status = checker.make(kernel, c, memory);
      if (status.ok() && naive)
        status = checker.run(*naive, c, memory, expected);
      if (status.ok())
        status = checker.run(*fast, c, memory, found);
      std::string wrong = status.ok() ? checker.compare(kernel, c, found, expected) : status.text;
      sums += status.ok() ? c.checksums.size() : 0;
      auto &[good, bad] = byTag[kernel.tag];
      ++(wrong.empty() ? passed : failed);
      ++(wrong.empty() ? good : bad);
      if (!wrong.empty())
        std::printf("FAIL %s M=%lld seed=%llu %s\n     %s\n", kernel.symbol.c_str(), (long long)c.m,
                    (unsigned long long)c.seed, kernel.schedule.c_str(), wrong.c_str());
      if (!status.ok()) { // perhaps a sticky error: nothing after it can be trusted
        std::printf("gpu-check: stopped at case %zu\n", number);
        std::fflush(stdout);
        std::_Exit(3);
      }
    }
  }
  for (const auto &[tag, counts] : byTag)
    std::printf("%s: %zu passed, %zu failed\n", tag.c_str(), counts.first, counts.second);
  std::printf("gpu-check: %zu passed, %zu failed, %zu skipped (%zu checksums of the interpreter)\n", passed, failed,
              skipped, sums);
  return failed ? 1 : 0;
}
