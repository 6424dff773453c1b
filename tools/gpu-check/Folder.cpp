//===- Folder.cpp - a folder of kernels, read without LLVM ------------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "tools/gpu-check/Folder.h"

#include <fstream>
#include <iterator>
#include <sstream>

using namespace bitwright;
using namespace bitwright::gpucheck;

bool bitwright::gpucheck::readFile(const std::string &path, std::vector<uint8_t> &bytes) {
  std::ifstream file(path, std::ios::binary);
  if (!file)
    return false;
  bytes.assign(std::istreambuf_iterator<char>(file), {});
  return true;
}

static bool parseBasis(const std::string &text, std::vector<uint32_t> &basis) {
  if (text == "-")
    return true;
  std::stringstream stream(text);
  for (std::string word; std::getline(stream, word, ',');)
    basis.push_back(uint32_t(std::strtoul(word.c_str(), nullptr, 10)));
  return basis.size() <= 24;
}

static bool parsePacking(std::istringstream &words, layout::Packing &p) {
  std::string order, rows, columns;
  words >> p.rows >> p.columns >> p.bits >> p.bias >> p.fill >> order >> p.pitch >> rows >> columns;
  p.order = order == "pitched" ? layout::Packing::Order::Pitched : layout::Packing::Order::Blocked;
  return bool(words) && parseBasis(rows, p.tile.rowBasis) && parseBasis(columns, p.tile.columnBasis);
}

bool bitwright::gpucheck::readFolder(const std::string &path, std::vector<FolderKernel> &kernels, std::string &error) {
  std::ifstream file(path + "/manifest.txt");
  if (!file) {
    error = path + "/manifest.txt cannot be opened: expected a folder that gpu-check or quant-tune wrote";
    return false;
  }
  unsigned number = 0;
  for (std::string line; std::getline(file, line);) {
    ++number;
    std::istringstream words(line);
    std::string key;
    words >> key;
    bool good = true;
    if (key == "kernel") {
      kernels.emplace_back();
      good = bool(words >> kernels.back().symbol);
    } else if (kernels.empty()) {
      good = key.empty();
    } else {
      FolderKernel &kernel = kernels.back();
      if (key == "tag" || key == "schedule") {
        std::getline(words >> std::ws, key == "tag" ? kernel.tag : kernel.schedule);
      } else if (key == "code") {
        good = bool(words >> kernel.file >> kernel.arch);
      } else if (key == "launch") {
        good = bool(words >> kernel.threads >> kernel.shared >> kernel.cluster >> kernel.pdl >> kernel.persistent);
      } else if (key == "grid") {
        std::vector<std::string> *grid = &kernel.gridX;
        for (std::string word; words >> word;) {
          if (word == "|")
            grid = &kernel.gridY;
          else
            grid->push_back(word);
        }
      } else if (key == "size") {
        good = bool(words >> kernel.n >> kernel.k);
      } else if (key == "segment") {
        Segment s;
        good = bool(words >> s.lhs >> s.rhs >> s.k >> s.group >> s.grouping >> s.scale);
        kernel.segments.push_back(s);
      } else if (key == "operand") {
        FolderOperand operand;
        good = bool(words >> operand.kind >> operand.type);
        kernel.operands.push_back(operand);
      } else if (key == "range") {
        good = !kernel.operands.empty() && words >> kernel.operands.back().low >> kernel.operands.back().high;
      } else if (key == "result") {
        kernel.results.emplace_back();
        good = bool(words >> kernel.results.back());
      } else if (key == "quantize") {
        kernel.quantize = true;
      } else if (key == "parameter") {
        FolderParameter p;
        good = bool(words >> p.role >> p.index >> p.form);
        kernel.parameters.push_back(p);
      } else if (key == "map") {
        good = !kernel.parameters.empty();
        if (good) {
          FolderParameter &p = kernel.parameters.back();
          good = bool(words >> p.mapBits >> p.mapRank >> p.boxColumns >> p.boxRows >> p.boxBlocks >> p.swizzle);
        }
      } else if (key == "packing") {
        good = !kernel.parameters.empty() && parsePacking(words, kernel.parameters.back().packing.emplace());
      } else if (key == "case") {
        FolderCase c;
        good = bool(words >> c.naive >> c.m >> c.seed);
        for (uint64_t sum; words >> sum;)
          c.checksums.push_back(sum);
        kernel.cases.push_back(c);
      } else {
        good = key == "end" || key == "resources" || key == "signature" || key.empty();
      }
    }
    if (!good) {
      error = path + "/manifest.txt:" + std::to_string(number) + ": cannot read '" + line + "'";
      return false;
    }
  }
  return true;
}

int64_t bitwright::gpucheck::evaluateGrid(const std::vector<std::string> &words, int64_t m) {
  std::vector<int64_t> stack;
  for (const std::string &word : words) {
    if (word == "M") {
      stack.push_back(m);
    } else if (word.size() == 1 && std::string("+*/^%").find(word) != std::string::npos && stack.size() >= 2) {
      int64_t b = stack.back();
      stack.pop_back();
      int64_t &a = stack.back();
      a = word == "+" ? a + b : word == "*" ? a * b : word == "/" ? a / b : word == "^" ? (a + b - 1) / b : a % b;
    } else {
      stack.push_back(std::strtoll(word.c_str(), nullptr, 10));
    }
  }
  return stack.empty() ? 1 : stack.back();
}
