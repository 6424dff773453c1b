//===- BwmLoader.cpp - fuzzes the .bwm loader -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// Loads and verifies whatever it is given. The first byte of an input chooses:
// even, the rest is a whole file; odd, the rest is the FlatBuffers header, to which
// a fitting preamble (with the right digest) and the sections of the test model are
// added, so that the checks behind the digest are reached. The mutator starts from
// the header of the test model. Code runs only when header and code are those of the
// test model: another launch plan could hand any pointers to intact code.
//
//===----------------------------------------------------------------------===//
#include "bitwright-c/runtime.h"
#include "lib/Artifact/Artifact.h"
#include "lib/Artifact/Preamble.h"
#include "test/Unit/Runtime/TestModel.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

using namespace bitwright;
using namespace bitwright::artifact;

static const std::vector<uint8_t> &seed() {
  static const std::vector<uint8_t> bytes = test::makePackedBytes();
  return bytes;
}

static size_t seedHeaderSize() {
  uint64_t size;
  std::memcpy(&size, seed().data() + 16, 8);
  return size_t(size);
}

/// Preamble and sections around a header. Sections start at the first code page, behind any header that fits before it.
static std::vector<uint8_t> compose(const uint8_t *header, size_t size) {
  constexpr size_t room = codeAlignment - sizeof(Preamble);
  std::vector<uint8_t> bytes = seed();
  if (size > room)
    size = room;
  std::memset(bytes.data() + sizeof(Preamble), 0, room);
  std::memcpy(bytes.data() + sizeof(Preamble), header, size);
  const uint64_t headerSize = size;
  std::memcpy(bytes.data() + 16, &headerSize, 8);
  Digest d = rootDigest(bytes.data(), bytes.data() + sizeof(Preamble), size);
  std::memcpy(bytes.data() + digestOffset, d.data(), d.size());
  return bytes;
}

/// Every query on a model that loaded.
static void look(bw_model *model) {
  size_t sum = 0;
  bw_tensor_info t;
  for (size_t e = 0; e < bw_model_entry_count(model); ++e) {
    sum += std::strlen(bw_model_entry_name(model, e));
    for (size_t i = 0; i < bw_model_input_count(model, e); ++i)
      if (bw_model_input(model, e, i, &t) == BW_OK)
        sum += std::strlen(t.name) + size_t(t.rank ? std::strlen(t.dims[0]) : 0);
    for (size_t i = 0; i < bw_model_output_count(model, e); ++i)
      if (bw_model_output(model, e, i, &t) == BW_OK)
        for (size_t s = 0; s < t.scale_count; ++s)
          sum += t.scales[s] > 0;
  }
  bw_model_stats stats;
  bw_model_get_stats(model, &stats);
  if (sum == size_t(-1))
    std::abort();
}

/// Whether kernels of this file may run: its header, and with it the digests of all code, is the test model's.
static bool isTrusted(const std::vector<uint8_t> &bytes) {
  return bytes.size() == seed().size() &&
         std::memcmp(bytes.data() + digestOffset, seed().data() + digestOffset, 32) == 0;
}

static void run(bw_model *model) {
  bw_session *session = nullptr;
  if (bw_session_create(model, nullptr, &session) != BW_OK)
    return;
  int32_t x[12] = {1, 2, 3}, y[12], level;
  int64_t total;
  bw_tensor in = {}, out[3] = {};
  in.dtype = BW_S32;
  in.rank = 3;
  in.dims[0] = 1;
  in.dims[1] = 3;
  in.dims[2] = 4;
  in.data = x;
  in.bytes = sizeof(x);
  out[0].dtype = out[2].dtype = BW_S32;
  out[1].dtype = BW_S64;
  out[0].data = y;
  out[0].bytes = sizeof(y);
  out[1].data = &total;
  out[1].bytes = sizeof(total);
  out[2].data = &level;
  out[2].bytes = sizeof(level);
  bw_run(session, 0, &in, 1, out, 3);
  bw_session_destroy(session);
}

/// What must be there for a mutation to be worth anything.
extern "C" int LLVMFuzzerInitialize(int *argc, char ***argv) {
  bw_model *model = nullptr;
  if (bw_model_load_memory(seed().data(), seed().size(), BW_LOAD_VERIFY_ALL, &model) != BW_OK) {
    std::fprintf(stderr, "the seed does not load: %s\n", bw_last_error());
    std::abort();
  }
  run(model);
  bw_model_destroy(model);
  if (seedHeaderSize() > codeAlignment - sizeof(Preamble)) {
    std::fprintf(stderr, "the header of the test model no longer fits before its code\n");
    std::abort();
  }
  return 0;
}

extern "C" size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t maxSize);

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t maxSize, unsigned) {
  if (size > sizeof(Preamble) || maxSize < seedHeaderSize() + 1)
    return LLVMFuzzerMutate(data, size, maxSize);
  data[0] = 1;
  std::memcpy(data + 1, seed().data() + sizeof(Preamble), seedHeaderSize());
  return seedHeaderSize() + 1;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 1)
    return 0;
  std::vector<uint8_t> bytes = data[0] & 1 ? compose(data + 1, size - 1) : std::vector<uint8_t>(data + 1, data + size);
  for (uint32_t flags : {uint32_t(BW_LOAD_NO_CODE), uint32_t(BW_LOAD_VERIFY_ALL)}) {
    bw_model *model = nullptr;
    if (bw_model_load_memory(bytes.data(), bytes.size(), flags, &model) != BW_OK)
      continue;
    look(model);
    if (flags == BW_LOAD_VERIFY_ALL && isTrusted(bytes))
      run(model);
    bw_model_destroy(model);
  }
  return 0;
}
