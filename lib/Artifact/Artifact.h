//===- Artifact.h - writing and reading .bwm files ---------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// See docs/FileFormat.md for the bytes. All functions return true on success; on
// failure `error` says what was expected, what was found and where.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "lib/Artifact/Model.h"

namespace bitwright::artifact {

/// Serialises. Fails when the model does not pass `verifyModel` (nothing is written then).
bool serializeArtifact(const Model &model, std::vector<uint8_t> &bytes, std::string &error);

/// Writes to a temporary name beside `path` and renames at the end: no half-written file is ever left under `path`.
bool writeArtifact(const Model &model, const std::string &path, std::string &error);

/// How much a reader checks.
enum class VerifyLevel {
  Header, ///< digest of the header, every index, bound, shape and expression; cost independent of the size of the
          ///< weights, but for the expansion of packed ones
  Full,   ///< also the digest of every segment
};

struct ReadOptions {
  VerifyLevel level = VerifyLevel::Header;
  /// Gives `Model::code`; off for tools that only look (`quant-dump`, `--info`): `code` then has the levels and sizes,
  /// but null bytes. At level Header the bytes are not hashed here: `verifyCode` does that for the levels that will
  /// run. Packed weights are not expanded then: their `bytes` have the size, but are null.
  bool withCode = true;
};

/// Parses and verifies. Weights and code in `model` point into `bytes`, which must outlive it (or be kept alive by
/// `owner`); packed weights are expanded into memory of their own.
bool readArtifact(const void *bytes, size_t size, const ReadOptions &options, Model &model, std::string &error,
                  std::shared_ptr<const void> owner = nullptr);

/// SHA-256 of `copy` (the segment's bytes where they are about to be executed) against `segment.digest`. The copy is
/// hashed, not the file, so that a file changed between check and use does not matter.
bool verifyCode(const CodeSegment &segment, const void *copy, std::string &error);
bool verifyGpuCode(const GpuCode &code, const void *copy, std::string &error);

/// Reads a whole file by mapping it; `owner` keeps the mapping alive.
bool mapFile(const std::string &path, std::shared_ptr<const void> &owner, const void *&bytes, size_t &size,
             std::string &error);

/// Everything that can be checked on a model without its file: indices, expressions over all symbol values, buffers
/// within arena, inputs and outputs; code entries within code; self-check. The writer and the reader both call it.
bool verifyModel(const Model &model, std::string &error);

} // namespace bitwright::artifact
