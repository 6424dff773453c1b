//===- RoundingMemo.cpp - weights that were rounded before -----------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "passes/Quantize/RoundingMemo.h"
#include "lib/Statistics/Statistics.h"
#include "llvm/Support/xxhash.h"

using namespace mlir;

namespace bitwright {

void RoundingMemo::install(MLIRContext *context) {
  auto *dialect = context->getOrLoadDialect<qnn::QnnDialect>();
  if (!dialect->getRegisteredInterface<RoundingMemo>())
    dialect->addInterfaces<RoundingMemo>();
}

RoundingMemo *RoundingMemo::find(MLIRContext *context) {
  // Interfaces are handed out const; the memo is shared by all threads of the context and locks itself.
  return const_cast<RoundingMemo *>(
      context->getOrLoadDialect<qnn::QnnDialect>()->getRegisteredInterface<RoundingMemo>());
}

template <typename T> static std::string hashOf(ArrayRef<T> values) {
  auto hash = llvm::xxh3_128bits(
      ArrayRef<uint8_t>(reinterpret_cast<const uint8_t *>(values.data()), values.size() * sizeof(T)));
  return std::to_string(hash.high64) + ":" + std::to_string(hash.low64);
}

std::string RoundingMemo::keyOf(Operation *product, ArrayRef<float> weights) {
  std::string key = getName(product).str();
  llvm::raw_string_ostream stream(key);
  stream << "|" << getWeightOf(product).getType() << "|" << hashOf(weights);
  for (StringRef name :
       {weightSchemeAttr, weightClipAttr, weightPercentileAttr, weightZeroPointAttr, weightRoundingAttr})
    stream << "|" << product->getAttr(name);
  auto statistics = product->getContext()->getOrLoadDialect<qnn::QnnDialect>()->getStatistics();
  if (product->hasAttr(weightRoundingAttr) && statistics)
    if (const SecondMoments *moments = statistics->lookupMoments(getName(product)))
      stream << "|" << hashOf(ArrayRef<double>(moments->matrix));
  return key;
}

static size_t bytesOf(const RoundedWeight &weight) {
  return (weight.codes.size() + weight.scales.size() + weight.zeroPoints.size()) * 4;
}

bool RoundingMemo::lookup(const std::string &key, RoundedWeight &result) {
  std::lock_guard<std::mutex> lock(mutex);
  auto it = weights.find(key);
  ++(it == weights.end() ? rounded : found);
  if (it == weights.end())
    return false;
  result = it->second;
  return true;
}

void RoundingMemo::insert(const std::string &key, const RoundedWeight &weight) {
  std::lock_guard<std::mutex> lock(mutex);
  if (bytesOf(weight) > maxBytes || !weights.emplace(key, weight).second)
    return;
  order.push_back(key);
  bytes += bytesOf(weight);
  while (bytes > maxBytes) {
    auto oldest = weights.find(order.front());
    bytes -= bytesOf(oldest->second);
    weights.erase(oldest);
    order.pop_front();
  }
}

void RoundingMemo::clear() {
  std::lock_guard<std::mutex> lock(mutex);
  weights.clear();
  order.clear();
  bytes = 0;
}

} // namespace bitwright
