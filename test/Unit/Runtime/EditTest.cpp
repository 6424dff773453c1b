//===- EditTest.cpp - values and weights changed in place -----------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
#include "TestModel.h"
#include "bitwright-c/runtime.h"

#include <cstring>
#include <functional>
#include <gtest/gtest.h>

using namespace bitwright::test;

namespace {
class Edit : public ::testing::Test {
protected:
  void SetUp() override { open(makeBytes()); }
  void TearDown() override {
    bw_session_destroy(session);
    bw_model_destroy(model);
  }
  void open(const std::vector<uint8_t> &bytes) {
    ASSERT_EQ(bw_model_load_memory(bytes.data(), bytes.size(), 0, &model), BW_OK) << bw_last_error();
    bw_session_options options = {};
    options.threads = 1;
    ASSERT_EQ(bw_session_create(model, &options, &session), BW_OK) << bw_last_error();
  }
  using Callback = std::function<int(const std::string &tensor, const std::string &launch, bw_dtype, void *, size_t)>;
  /// Runs on x of [2, 3, 8]; without a callback plainly.
  bw_status run(const Callback &callback = nullptr) {
    y.assign(x.size(), -7);
    total = -7;
    bw_tensor in = {};
    in.dtype = BW_S32;
    in.rank = 3;
    in.dims[0] = 2, in.dims[1] = 3, in.dims[2] = 8;
    in.data = x.data();
    in.bytes = x.size() * 4;
    bw_tensor out[3] = {};
    void *data[3] = {y.data(), &total, &level};
    size_t bytes[3] = {y.size() * 4, 8, 4};
    for (int i = 0; i < 3; ++i) {
      out[i].dtype = i == 1 ? BW_S64 : BW_S32;
      out[i].data = data[i];
      out[i].bytes = bytes[i];
    }
    if (!callback)
      return bw_run(session, 0, &in, 1, out, 3);
    auto call = [](const char *tensor, const char *launch, bw_dtype dtype, void *values, size_t size, void *user) {
      return (*static_cast<const Callback *>(user))(tensor, launch, dtype, values, size);
    };
    return bw_run_edit(session, 0, &in, 1, out, 3, call, const_cast<Callback *>(&callback));
  }
  void expectError(bw_status found, bw_status expected, const std::string &part) {
    EXPECT_EQ(found, expected);
    EXPECT_NE(std::string(bw_last_error()).find(part), std::string::npos) << bw_last_error();
  }

  bw_model *model = nullptr;
  bw_session *session = nullptr;
  std::vector<int32_t> x = makeX(2, 8), y;
  int64_t total = 0;
  int32_t level = 0;
};
} // namespace

TEST_F(Edit, WhatIsReadAfterwardsChanges) {
  std::vector<std::string> seen;
  ASSERT_EQ(run([&](const std::string &tensor, const std::string &launch, bw_dtype dtype, void *values, size_t bytes) {
              seen.push_back(launch + ":" + tensor);
              if (tensor == "mid") {
                // As it lies in memory: N W C with C padded to 4.
                EXPECT_EQ(bytes, size_t(2 * 8 * 4 * 4));
                EXPECT_EQ(dtype, BW_S32);
                for (size_t i = 0; i < bytes / 4; ++i)
                  static_cast<int32_t *>(values)[i] += 1;
              }
              return 0;
            }),
            BW_OK)
      << bw_last_error();
  EXPECT_EQ(seen, (std::vector<std::string>{"shift:mid", "reverse:y", "total:total", "level:level"}));
  std::vector<int32_t> edited = y, plain = expectedY(x, 2, 8);
  ASSERT_EQ(run(), BW_OK);
  EXPECT_EQ(y, plain); // nothing stays behind
  // y is mid mirrored.
  for (size_t i = 0; i < plain.size(); ++i)
    EXPECT_EQ(edited[i], plain[i] + 1) << i;
}

TEST_F(Edit, AnOutputIsEditedBeforeTheNextLaunchReadsIt) {
  ASSERT_EQ(run([&](const std::string &tensor, const std::string &, bw_dtype, void *values, size_t bytes) {
              if (tensor == "y")
                std::memset(values, 0, bytes);
              return 0;
            }),
            BW_OK);
  EXPECT_EQ(y, std::vector<int32_t>(y.size(), 0));
  EXPECT_EQ(total, 0);
}

TEST_F(Edit, AReturnValueEndsTheRun) {
  int calls = 0;
  ASSERT_EQ(run([&](const std::string &tensor, const std::string &, bw_dtype, void *, size_t) {
              ++calls;
              return tensor == "y";
            }),
            BW_OK);
  EXPECT_EQ(calls, 2);
  EXPECT_EQ(y, expectedY(x, 2, 8));
  EXPECT_EQ(total, -7);    // `total` did not run
  ASSERT_EQ(run(), BW_OK); // and the session still works
  EXPECT_NE(total, -7);
}

TEST_F(Edit, WithoutACallback) {
  bw_tensor in = {}, out = {};
  expectError(bw_run_edit(session, 0, &in, 1, &out, 1, nullptr, nullptr), BW_INVALID_ARGUMENT, "callback");
}

TEST_F(Edit, WeightsAreSeenAndReplaced) {
  ASSERT_EQ(bw_model_weight_count(model), 2u);
  EXPECT_EQ(bw_model_weight_count(nullptr), 0u);
  const char *layout;
  const void *data;
  size_t bytes;
  ASSERT_EQ(bw_model_weight(model, 0, &layout, &data, &bytes), BW_OK);
  EXPECT_STREQ(layout, "s32 [3]");
  ASSERT_EQ(bytes, 12u);
  EXPECT_EQ(std::memcmp(data, std::vector<int32_t>{10, 20, 30}.data(), 12), 0);
  EXPECT_EQ(bw_model_weight(model, 1, nullptr, nullptr, nullptr), BW_OK);
  expectError(bw_model_weight(model, 2, nullptr, &data, &bytes), BW_INVALID_ARGUMENT,
              "expected a weight below 2, found 2");

  ASSERT_EQ(run(), BW_OK);
  std::vector<int32_t> before = y;
  const int32_t bias[] = {11, 22, 33};
  ASSERT_EQ(bw_model_replace_weight(model, 0, bias, 12), BW_OK) << bw_last_error();
  ASSERT_EQ(run(), BW_OK);
  // y is 2 x plus the bias of the channel, [2, 3, 8].
  for (size_t i = 0; i < y.size(); ++i)
    EXPECT_EQ(y[i] - before[i], std::vector<int32_t>({1, 2, 3})[i / 8 % 3]) << i;
}

TEST_F(Edit, WrongReplacements) {
  const int32_t bias[4] = {};
  expectError(bw_model_replace_weight(model, 0, bias, 16), BW_INVALID_ARGUMENT, "'bias': expected 12 bytes, found 16");
  expectError(bw_model_replace_weight(model, 0, bias, 8), BW_INVALID_ARGUMENT, "'bias': expected 12 bytes, found 8");
  expectError(bw_model_replace_weight(model, 2, bias, 12), BW_INVALID_ARGUMENT, "expected a weight below 2, found 2");
  expectError(bw_model_replace_weight(model, 0, nullptr, 12), BW_INVALID_ARGUMENT, "data");
  expectError(bw_model_replace_weight(nullptr, 0, bias, 12), BW_INVALID_ARGUMENT, "model");
  ASSERT_EQ(run(), BW_OK);
  EXPECT_EQ(y, expectedY(x, 2, 8));
}

TEST_F(Edit, AMappedFileIsNotChanged) {
  std::string path = temporaryPath("edit.bwm");
  writeFile(path, makeBytes());
  bw_model *mapped = nullptr;
  ASSERT_EQ(bw_model_load_file(path.c_str(), 0, &mapped), BW_OK) << bw_last_error();
  const int32_t bias[3] = {1, 2, 3};
  expectError(bw_model_replace_weight(mapped, 0, bias, 12), BW_UNSUPPORTED, "load it with bw_model_load_memory");
  bw_model_destroy(mapped);
  EXPECT_EQ(readFile(path), makeBytes());
}
