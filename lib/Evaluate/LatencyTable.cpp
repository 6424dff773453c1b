//===- LatencyTable.cpp - measured times of kernels, in a file --*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "lib/Evaluate/LatencyTable.h"
#include "bitwright-c/runtime.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"
#include <cmath>
#include <cstdlib>

using namespace bitwright;

llvm::Expected<LatencyTable> LatencyTable::read(llvm::StringRef path) {
  LatencyTable table;
  if (path.empty() || !llvm::sys::fs::exists(path))
    return table;
  auto fail = [&](const llvm::Twine &message) {
    return llvm::createStringError("latency table '" + path + "': " + message);
  };
  auto file = llvm::MemoryBuffer::getFile(path, /*IsText=*/true);
  if (!file)
    return fail(file.getError().message());
  auto json = llvm::json::parse((*file)->getBuffer());
  if (!json)
    return fail(llvm::toString(json.takeError()));
  const llvm::json::Object *root = json->getAsObject();
  const llvm::json::Array *chips = root ? root->getArray("chips") : nullptr;
  if (!chips || root->getInteger("version") != 1)
    return fail("expected version 1 and a list 'chips' (what --latencies writes)");
  for (const llvm::json::Value &value : *chips) {
    const llvm::json::Object *chip = value.getAsObject();
    auto name = chip ? chip->getString("chip") : std::nullopt;
    const llvm::json::Array *kernels = chip ? chip->getArray("kernels") : nullptr;
    if (!name || !kernels)
      return fail("expected 'chip' and a list 'kernels' in each of 'chips'");
    for (const llvm::json::Value &entry : *kernels) {
      const llvm::json::Object *object = entry.getAsObject();
      auto kernel = object ? object->getString("kernel") : std::nullopt;
      auto time = object ? object->getNumber("milliseconds") : std::nullopt;
      if (!kernel || !time || !std::isfinite(*time) || *time < 0)
        return fail("chip '" + *name + "': expected 'kernel' and 'milliseconds', a number of at least 0, in each of " +
                    "'kernels'" + (kernel ? "; see '" + *kernel + "'" : llvm::Twine("")).str());
      if (!table.entries.try_emplace({name->str(), kernel->str()}, *time).second)
        return fail("chip '" + *name + "': the kernel '" + *kernel + "' is there twice");
    }
  }
  return table;
}

llvm::Error LatencyTable::write(llvm::StringRef path) const {
  auto error = llvm::writeToOutput(path, [&](llvm::raw_ostream &stream) {
    llvm::json::OStream json(stream, 1);
    json.object([&] {
      json.attribute("version", 1);
      json.attributeArray("chips", [&] {
        for (auto it = entries.begin(); it != entries.end();) {
          const std::string &chip = it->first.first;
          json.object([&] {
            json.attribute("chip", chip);
            json.attributeArray("kernels", [&] {
              for (; it != entries.end() && it->first.first == chip; ++it)
                json.object([&] {
                  json.attribute("kernel", it->first.second);
                  json.attribute("milliseconds", it->second);
                });
            });
          });
        }
      });
    });
    stream << "\n";
    return llvm::Error::success();
  });
  if (error)
    return llvm::createStringError("latency table '" + path + "': " + llvm::toString(std::move(error)));
  return llvm::Error::success();
}

std::optional<double> LatencyTable::find(llvm::StringRef chip, llvm::StringRef kernel) const {
  auto it = entries.find({chip.str(), kernel.str()});
  return it == entries.end() ? std::nullopt : std::optional(it->second);
}

void LatencyTable::set(llvm::StringRef chip, llvm::StringRef kernel, double milliseconds) {
  entries[{chip.str(), kernel.str()}] = milliseconds;
}

/// "model name" of the first processor.
static std::string processorName() {
  auto file = llvm::MemoryBuffer::getFileAsStream("/proc/cpuinfo");
  if (!file)
    return "unknown processor";
  llvm::StringRef rest = (*file)->getBuffer();
  while (!rest.empty()) {
    auto [line, next] = rest.split('\n');
    auto [key, value] = line.split(':');
    if (key.trim() == "model name")
      return value.trim().str();
    rest = next;
  }
  return "unknown processor";
}

std::string LatencyTable::thisChip(unsigned threads) {
  const char *wanted = std::getenv("BITWRIGHT_ISA"); // what sessions obey
  return processorName() + ", " + (wanted && *wanted ? wanted : bw_host_isa()) + ", " + std::to_string(threads) +
         (threads == 1 ? " thread" : " threads");
}
