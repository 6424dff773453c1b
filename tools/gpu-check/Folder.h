//===- Folder.h - a folder of kernels, read without LLVM --------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// The reader of `manifest.txt` (the format: lib/Target/Nvptx/KernelFolder.h). Two more lines stand in folders of
// gpu-check, both before `end`:
//
//   range LOW HIGH                             values of the last operand
//   case NAIVE M SEED [CHECKSUM ...]           compare with the kernel NAIVE of the folder at M rows of operands from
//                                              SEED, and with the interpreter's checksum of each result
//
//===----------------------------------------------------------------------===//
#ifndef BITWRIGHT_TOOLS_GPU_CHECK_FOLDER_H
#define BITWRIGHT_TOOLS_GPU_CHECK_FOLDER_H

#include "lib/Layout/LinearLayout.h"
#include "tools/gpu-check/CaseData.h"

#include <map>
#include <optional>

namespace bitwright::gpucheck {

struct FolderParameter {
  std::string role, form; ///< as the manifest spells them
  unsigned index = 0;
  unsigned mapBits = 8, mapRank = 2, boxColumns = 0, boxRows = 0, boxBlocks = 0;
  bool swizzle = true;
  std::optional<layout::Packing> packing;
};

struct FolderOperand {
  std::string kind, type;
  double low = -1, high = 1;
};

struct FolderCase {
  std::string naive;
  int64_t m = 0;
  uint64_t seed = 0;
  std::vector<uint64_t> checksums;
};

struct FolderKernel {
  std::string symbol, tag, file, arch, schedule;
  unsigned threads = 0, shared = 0, cluster = 1;
  bool pdl = false, persistent = false, quantize = false;
  std::vector<std::string> gridX, gridY;
  int64_t n = 0, k = 0;
  std::vector<Segment> segments;
  std::vector<FolderOperand> operands;
  std::vector<std::string> results;
  std::vector<FolderParameter> parameters;
  std::vector<FolderCase> cases;
};

/// False with a message that names the file and the line.
bool readFolder(const std::string &path, std::vector<FolderKernel> &kernels, std::string &error);
/// A postfix expression over M.
int64_t evaluateGrid(const std::vector<std::string> &words, int64_t m);
/// Reads a whole file.
bool readFile(const std::string &path, std::vector<uint8_t> &bytes);

} // namespace bitwright::gpucheck

#endif
