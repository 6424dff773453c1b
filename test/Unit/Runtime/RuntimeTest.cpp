//===- RuntimeTest.cpp - the C API on hand-made models -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
#include "bitwright-c/runtime.h"
#include "TestModel.h"
#include "lib/Runtime/ThreadPool.h"

#include <cstdlib>
#include <cstring>
#include <gtest/gtest.h>
#include <immintrin.h>

using namespace bitwright;
using namespace bitwright::artifact;
using namespace bitwright::test;

namespace {
/// Model and session with the calls of a test in short form.
class Runtime : public ::testing::Test {
protected:
  void SetUp() override {
    unsetenv("BITWRIGHT_ISA");
    open(makeModel());
  }
  void TearDown() override { close(); }

  void close() {
    bw_session_destroy(session);
    bw_model_destroy(model);
    session = nullptr;
    model = nullptr;
  }
  void open(const Model &m, uint32_t threads = 1, const char *isa = nullptr, bool profile = false) {
    close();
    std::vector<uint8_t> bytes;
    std::string error;
    ASSERT_TRUE(serializeArtifact(m, bytes, error)) << error;
    ASSERT_EQ(bw_model_load_memory(bytes.data(), bytes.size(), BW_LOAD_VERIFY_ALL, &model), BW_OK) << bw_last_error();
    bw_session_options options = {threads, isa, profile, nullptr, 0};
    ASSERT_EQ(bw_session_create(model, &options, &session), BW_OK) << bw_last_error();
  }

  struct Results {
    std::vector<int32_t> y;
    int64_t total = -1;
    int32_t level = -1;
  };
  static bw_tensor tensor(const char *name, bw_dtype dtype, std::vector<int64_t> dims, void *data, size_t bytes) {
    bw_tensor t = {};
    t.name = name;
    t.dtype = dtype;
    t.rank = int32_t(dims.size());
    std::copy(dims.begin(), dims.end(), t.dims);
    t.data = data;
    t.bytes = bytes;
    return t;
  }
  bw_status run(std::vector<int32_t> &x, int64_t n, int64_t w, Results &r, bw_capture_callback callback = nullptr,
                void *user = nullptr) {
    r.y.assign(x.size(), -7);
    bw_tensor in = tensor("x", BW_S32, {n, 3, w}, x.data(), x.size() * 4);
    bw_tensor out[3] = {tensor("level", BW_S32, {}, &r.level, 4), tensor("y", BW_S32, {}, r.y.data(), r.y.size() * 4),
                        tensor("total", BW_S64, {}, &r.total, 8)};
    bw_status s = bw_run_capture(session, 0, &in, 1, out, 3, callback, user);
    if (s == BW_OK && !callback) {
      EXPECT_EQ(out[1].rank, 3);
      EXPECT_EQ(out[1].dims[0], n);
      EXPECT_EQ(out[1].dims[2], w);
      EXPECT_EQ(out[2].dims[0], 1);
    }
    return s;
  }
  void expectCorrect(int64_t n, int64_t w) {
    std::vector<int32_t> x = makeX(n, w);
    Results r;
    ASSERT_EQ(run(x, n, w, r), BW_OK) << bw_last_error();
    std::vector<int32_t> y = expectedY(x, n, w);
    EXPECT_EQ(r.y, y) << n << " " << w;
    int64_t sum = 0;
    for (int32_t v : y)
      sum += v;
    EXPECT_EQ(r.total, sum);
  }
  /// Runs with these inputs and expects a refusal whose text has all the parts.
  void expectRefusal(const std::vector<bw_tensor> &in, std::vector<bw_tensor> out, std::vector<const char *> parts,
                     size_t entry = 0) {
    EXPECT_EQ(bw_run(session, entry, in.data(), in.size(), out.data(), out.size()), BW_INVALID_ARGUMENT);
    for (const char *p : parts)
      EXPECT_NE(std::string(bw_last_error()).find(p), std::string::npos) << p << " in: " << bw_last_error();
  }

  bw_model *model = nullptr;
  bw_session *session = nullptr;
};
} // namespace

TEST_F(Runtime, EveryShapeOfTheRange) {
  for (int64_t n = 1; n <= 4; ++n)
    for (int64_t w = 4; w <= 40; w += 4)
      expectCorrect(n, w);
  expectCorrect(1, 4); // a remembered shape with a smaller size after bigger ones
}

TEST_F(Runtime, ThreadsGiveTheSameBytes) {
  for (uint32_t threads = 1; threads <= 8; ++threads) {
    open(makeModel(), threads);
    EXPECT_EQ(bw_session_threads(session), threads);
    for (int repeat = 0; repeat < 20; ++repeat)
      expectCorrect(1 + repeat % 4, 40);
  }
}

TEST_F(Runtime, UnalignedCallerMemory) {
  std::vector<int32_t> x = makeX(2, 8);
  std::vector<uint8_t> in(x.size() * 4 + 1), out(x.size() * 4 + 3);
  std::memcpy(in.data() + 1, x.data(), x.size() * 4);
  int64_t total;
  int32_t level;
  bw_tensor input = tensor("x", BW_S32, {2, 3, 8}, in.data() + 1, x.size() * 4);
  bw_tensor outputs[3] = {tensor("y", BW_S32, {}, out.data() + 3, x.size() * 4), tensor("total", BW_S64, {}, &total, 8),
                          tensor("level", BW_S32, {}, &level, 4)};
  ASSERT_EQ(bw_run(session, 0, &input, 1, outputs, 3), BW_OK) << bw_last_error();
  std::vector<int32_t> y(x.size());
  std::memcpy(y.data(), out.data() + 3, x.size() * 4);
  EXPECT_EQ(y, expectedY(x, 2, 8));
}

TEST_F(Runtime, PositionsInsteadOfNames) {
  std::vector<int32_t> x = makeX(1, 4), y(12);
  int64_t total;
  int32_t level;
  bw_tensor in = tensor(nullptr, BW_S32, {1, 3, 4}, x.data(), 48);
  bw_tensor out[3] = {tensor(nullptr, BW_S32, {}, y.data(), 48), tensor(nullptr, BW_S64, {}, &total, 8),
                      tensor(nullptr, BW_S32, {}, &level, 4)};
  ASSERT_EQ(bw_run(session, 0, &in, 1, out, 3), BW_OK) << bw_last_error();
  EXPECT_EQ(y, expectedY(x, 1, 4));
}

TEST_F(Runtime, LevelIsChosen) {
  std::vector<int32_t> x = makeX(1, 4);
  Results r;
  const bool has512 = std::string(bw_host_isa()) != "avx2";
  ASSERT_EQ(run(x, 1, 4, r), BW_OK);
  EXPECT_EQ(r.level, has512 ? 512 : 2);
  open(makeModel(), 1, "avx2");
  ASSERT_EQ(run(x, 1, 4, r), BW_OK);
  EXPECT_EQ(r.level, 2);
  EXPECT_STREQ(bw_session_isa(session), "avx2");
  setenv("BITWRIGHT_ISA", "avx2", 1);
  open(makeModel());
  EXPECT_STREQ(bw_session_isa(session), "avx2");
  if (has512) { // the option wins over the environment
    open(makeModel(), 1, "avx512vnni");
    EXPECT_STREQ(bw_session_isa(session), "avx512vnni");
  }
  unsetenv("BITWRIGHT_ISA");
}

TEST_F(Runtime, LevelMessages) {
  bw_session *s = nullptr;
  bw_session_options options = {1, "sse9", 0, nullptr, 0};
  EXPECT_EQ(bw_session_create(model, &options, &s), BW_INVALID_ARGUMENT);
  EXPECT_STREQ(bw_last_error(), "the option 'isa' is 'sse9': expected 'avx2', 'avx512vnni' or 'amx'");
  setenv("BITWRIGHT_ISA", "neon", 1);
  EXPECT_EQ(bw_session_create(model, nullptr, &s), BW_INVALID_ARGUMENT);
  EXPECT_STREQ(bw_last_error(), "the environment's BITWRIGHT_ISA is 'neon': expected 'avx2', 'avx512vnni' or 'amx'");
  unsetenv("BITWRIGHT_ISA");
  if (std::string(bw_host_isa()) != "amx") {
    options.isa = "amx";
    EXPECT_EQ(bw_session_create(model, &options, &s), BW_UNSUPPORTED);
    EXPECT_NE(std::string(bw_last_error()).find("this host runs up to"), std::string::npos) << bw_last_error();
  }
  Model m = makeModel();
  m.kernels[3].variants.erase(m.kernels[3].variants.begin());
  std::vector<uint8_t> bytes;
  std::string error;
  ASSERT_TRUE(serializeArtifact(m, bytes, error)) << error;
  bw_model *only512 = nullptr;
  ASSERT_EQ(bw_model_load_memory(bytes.data(), bytes.size(), 0, &only512), BW_OK);
  options.isa = "avx2";
  EXPECT_EQ(bw_session_create(only512, &options, &s), BW_UNSUPPORTED);
  EXPECT_NE(std::string(bw_last_error()).find("kernel 'level' has no code for 'avx2' or below"), std::string::npos)
      << bw_last_error();
  bw_model_destroy(only512);
  options = {1025, nullptr, 0, nullptr, 0};
  EXPECT_EQ(bw_session_create(model, &options, &s), BW_INVALID_ARGUMENT);
  EXPECT_NE(std::string(bw_last_error()).find("1025 threads"), std::string::npos);
  EXPECT_EQ(s, nullptr);
}

TEST_F(Runtime, ShapeMessages) {
  std::vector<int32_t> x(2000);
  std::vector<bw_tensor> out = {tensor("y", BW_S32, {}, x.data() + 1000, 4000),
                                tensor("total", BW_S64, {}, x.data() + 900, 8),
                                tensor("level", BW_S32, {}, x.data() + 910, 4)};
  auto in = [&](std::vector<int64_t> dims, bw_dtype dtype = BW_S32, const char *name = "x", size_t bytes = 48) {
    return std::vector<bw_tensor>{tensor(name, dtype, std::move(dims), x.data(), bytes)};
  };
  expectRefusal(in({5, 3, 4}), out,
                {"input 'x': dimension 0 is 5, expected 1..4, the range of 'N'", "[5, 3, 4]", "[N, 3, W]"});
  expectRefusal(in({0, 3, 4}), out, {"dimension 0 is 0, expected 1..4"});
  expectRefusal(in({-1, 3, 4}), out, {"dimension 0 is -1, expected 1..4"});
  expectRefusal(in({1, 3, 44}), out, {"dimension 2 is 44, expected 4..40, the range of 'W'"});
  expectRefusal(in({1, 3, 6}), out, {"dimension 2 is 6, expected a multiple of 4 ('W')"});
  expectRefusal(in({1, 2, 4}), out, {"dimension 1 is 2, expected 3"});
  expectRefusal(in({1, 3}), out, {"input 'x': rank is 2, expected 3", "[N, 3, W]"});
  expectRefusal(in({1, 3, 4}, BW_F32), out, {"input 'x': element type is f32, expected s32"});
  expectRefusal(in({1, 3, 4}, BW_S32, "picture"), out, {"the model has no input 'picture'; it has 'x'"});
  expectRefusal(in({1, 3, 4}, BW_S32, "x", 44), out, {"input 'x': 44 bytes given, its shape needs 48"});
  expectRefusal({}, out, {"input 'x' is not given; the model needs 'x'"});
  std::vector<bw_tensor> twice = in({1, 3, 4});
  twice.push_back(twice[0]);
  expectRefusal(twice, out, {"input 'x' is given twice"});
  twice[0].name = twice[1].name = nullptr;
  expectRefusal(twice, out, {"2 inputs given, the model has 1: 'x'"});
  std::vector<bw_tensor> noData = in({1, 3, 4});
  noData[0].data = nullptr;
  expectRefusal(noData, out, {"input 'x': null data given"});
  std::vector<bw_tensor> deep = in({1, 3, 4});
  deep[0].rank = 17;
  expectRefusal(deep, out, {"rank 17 is not within 0..16"});
  expectRefusal(in({1, 3, 4}), out, {"entry point 1 of 1"}, 1);

  std::vector<bw_tensor> bad = out;
  bad.pop_back();
  expectRefusal(in({1, 3, 4}), bad, {"output 'level' is not given; the model needs 'y', 'total', 'level'"});
  bad = out;
  bad[0].bytes = 47;
  expectRefusal(in({1, 3, 4}), bad, {"output 'y': 47 bytes given, it needs 48"});
  bad = out;
  bad[0].data = nullptr;
  expectRefusal(in({1, 3, 4}), bad, {"output 'y': null data given"});
  bad = out;
  bad[0].dtype = BW_F32;
  expectRefusal(in({1, 3, 4}), bad, {"output 'y': element type is f32, expected s32"});
  bad = out;
  bad[0].name = "z";
  expectRefusal(in({1, 3, 4}), bad, {"the model has no output 'z'"});

  EXPECT_EQ(bw_run(session, 0, nullptr, 1, out.data(), 3), BW_INVALID_ARGUMENT);
  EXPECT_STREQ(bw_last_error(), "null array of inputs");
  EXPECT_EQ(bw_run(nullptr, 0, nullptr, 0, nullptr, 0), BW_INVALID_ARGUMENT);
  EXPECT_STREQ(bw_last_error(), "session is null");
  std::vector<bw_tensor> good = in({1, 3, 4});
  EXPECT_EQ(bw_run(session, 0, good.data(), 1, out.data(), 3), BW_OK);
  EXPECT_STREQ(bw_last_error(), "");
}

/// Symbols that two inputs share, and a dimension 2 * W + 1.
TEST_F(Runtime, SharedAndAffineDimensions) {
  Model m = makeModel();
  Tensor other;
  other.name = "other";
  other.type = ElementType::U8;
  other.dims = {DimExpr::symbol(1) * 2 + 1, DimExpr::symbol(0), DimExpr::symbol(0) * DimExpr::symbol(1)};
  m.tensors.push_back(other);
  m.entries[0].inputs = {5, 0}; // W follows from 2 * W + 1 first
  open(m);
  std::vector<int32_t> x(2000);
  std::vector<bw_tensor> out = {tensor("y", BW_S32, {}, x.data() + 1000, 4000),
                                tensor("total", BW_S64, {}, x.data() + 900, 8),
                                tensor("level", BW_S32, {}, x.data() + 910, 4)};
  auto in = [&](std::vector<int64_t> a, std::vector<int64_t> b, size_t bytes) {
    return std::vector<bw_tensor>{tensor("other", BW_U8, std::move(a), x.data(), bytes),
                                  tensor("x", BW_S32, std::move(b), x.data(), 96)};
  };
  std::vector<bw_tensor> good = in({17, 1, 8}, {1, 3, 8}, 17 * 8);
  EXPECT_EQ(bw_run(session, 0, good.data(), 2, out.data(), 3), BW_OK) << bw_last_error();
  expectRefusal(in({16, 1, 8}, {1, 3, 8}, 1), out,
                {"input 'other': dimension 0 is 16, expected a multiple of 8 plus 1 ('W')"});
  expectRefusal(in({7, 1, 8}, {1, 3, 8}, 1), out, {"dimension 0 is 7, expected 9..81, the range of 'W'"});
  expectRefusal(in({17, 1, 8}, {1, 3, 12}, 17 * 8), out,
                {"input 'x': dimension 2 is 12, expected W = 8, with N = 1, W = 8"});
  expectRefusal(in({17, 1, 9}, {1, 3, 8}, 17 * 9), out, {"input 'other': dimension 2 is 9, expected N * W = 8"});
}

TEST_F(Runtime, OutputShapes) {
  bw_tensor in = tensor("x", BW_S32, {3, 3, 12}, nullptr, 0), out[3] = {};
  ASSERT_EQ(bw_output_shapes(session, 0, &in, 1, out, 3), BW_OK) << bw_last_error();
  EXPECT_EQ(out[0].dtype, BW_S32);
  EXPECT_EQ(out[0].rank, 3);
  EXPECT_EQ(out[0].dims[2], 12);
  EXPECT_EQ(out[0].bytes, 3u * 3 * 12 * 4);
  EXPECT_EQ(out[1].bytes, 8u);
  in.dims[2] = 41;
  EXPECT_EQ(bw_output_shapes(session, 0, &in, 1, out, 3), BW_INVALID_ARGUMENT);
}

TEST_F(Runtime, Queries) {
  ASSERT_EQ(bw_model_symbol_count(model), 2u);
  bw_symbol_info s;
  ASSERT_EQ(bw_model_symbol(model, 1, &s), BW_OK);
  EXPECT_STREQ(s.name, "W");
  EXPECT_EQ(s.lo, 4);
  EXPECT_EQ(s.hi, 40);
  EXPECT_EQ(s.divisor, 4);
  EXPECT_EQ(bw_model_symbol(model, 2, &s), BW_INVALID_ARGUMENT);
  EXPECT_STREQ(bw_last_error(), "symbol 2 of 2 asked for");
  EXPECT_EQ(bw_model_entry_count(model), 1u);
  EXPECT_STREQ(bw_model_entry_name(model, 0), "main");
  EXPECT_EQ(bw_model_entry_name(model, 1), nullptr);
  EXPECT_EQ(bw_model_input_count(model, 0), 1u);
  EXPECT_EQ(bw_model_output_count(model, 0), 3u);
  EXPECT_EQ(bw_model_output_count(model, 1), 0u);
  bw_tensor_info t;
  ASSERT_EQ(bw_model_output(model, 0, 0, &t), BW_OK);
  EXPECT_STREQ(t.name, "y");
  EXPECT_STREQ(t.dims[2], "W");
  EXPECT_STREQ(t.dims[1], "3");
  EXPECT_EQ(t.dim_lo[2], 4);
  EXPECT_EQ(t.dim_hi[2], 40);
  EXPECT_EQ(t.quantized, 1);
  EXPECT_EQ(t.scales[0], 0.5f);
  EXPECT_EQ(t.zero_points[0], 3);
  EXPECT_EQ(bw_model_input(model, 0, 1, &t), BW_INVALID_ARGUMENT);
  EXPECT_STREQ(bw_last_error(), "input 1 of 1 asked for");
  EXPECT_EQ(bw_model_input(model, 3, 0, &t), BW_INVALID_ARGUMENT);
  EXPECT_STREQ(bw_last_error(), "entry point 3 of 1 asked for");
  bw_model_stats stats;
  ASSERT_EQ(bw_model_get_stats(model, &stats), BW_OK);
  EXPECT_EQ(stats.weight_bytes, 112u);
  EXPECT_EQ(stats.arena_bytes, 2624u);
  EXPECT_EQ(stats.launch_count, 4u);
  EXPECT_GT(stats.code_bytes[1], 0u);
  EXPECT_EQ(stats.code_bytes[2], 0u);
  const char *key, *value;
  ASSERT_EQ(bw_model_property(model, 0, &key, &value), BW_OK);
  EXPECT_STREQ(key, "tool");
  EXPECT_EQ(bw_model_property(model, 2, &key, &value), BW_INVALID_ARGUMENT);
  EXPECT_STREQ(bw_dtype_name(BW_BF16), "bf16");
  EXPECT_STREQ(bw_dtype_name(bw_dtype(99)), "?");
  EXPECT_EQ(bw_dtype_bits(BW_S4), 4u);
  EXPECT_EQ(bw_dtype_bits(bw_dtype(99)), 0u);
}

TEST_F(Runtime, NullArguments) {
  bw_model *m = nullptr;
  bw_session *s = nullptr;
  EXPECT_EQ(bw_model_load_file(nullptr, 0, &m), BW_INVALID_ARGUMENT);
  EXPECT_STREQ(bw_last_error(), "path is null");
  EXPECT_EQ(bw_model_load_memory(nullptr, 3, 0, &m), BW_INVALID_ARGUMENT);
  EXPECT_EQ(bw_session_create(nullptr, nullptr, &s), BW_INVALID_ARGUMENT);
  EXPECT_EQ(bw_session_create(model, nullptr, nullptr), BW_INVALID_ARGUMENT);
  EXPECT_EQ(bw_model_get_stats(nullptr, nullptr), BW_INVALID_ARGUMENT);
  EXPECT_EQ(bw_self_check(nullptr, nullptr), BW_INVALID_ARGUMENT);
  EXPECT_EQ(bw_model_symbol_count(nullptr), 0u);
  EXPECT_EQ(bw_session_threads(nullptr), 0u);
  bw_model_destroy(nullptr);
  bw_session_destroy(nullptr);
}

TEST_F(Runtime, Files) {
  std::string path = temporaryPath("run.bwm");
  writeFile(path, makeBytes());
  bw_model *m = nullptr;
  ASSERT_EQ(bw_model_load_file(path.c_str(), 0, &m), BW_OK) << bw_last_error();
  close();
  model = m;
  ASSERT_EQ(bw_session_create(model, nullptr, &session), BW_OK) << bw_last_error();
  // The model and the name may go: the session keeps what it needs.
  bw_model_destroy(model);
  model = nullptr;
  std::remove(path.c_str());
  expectCorrect(2, 12);
  EXPECT_EQ(bw_model_load_file(path.c_str(), 0, &m), BW_IO_ERROR);
  EXPECT_NE(std::string(bw_last_error()).find("run.bwm"), std::string::npos);
}

TEST_F(Runtime, DamagedCodeNeverRuns) {
  std::vector<uint8_t> bytes = makeBytes();
  size_t at = 4096; // the first code segment
  bytes[at] ^= 1;
  bw_model *m = nullptr;
  EXPECT_EQ(bw_model_load_memory(bytes.data(), bytes.size(), BW_LOAD_VERIFY_ALL, &m), BW_INVALID_FILE);
  ASSERT_EQ(bw_model_load_memory(bytes.data(), bytes.size(), 0, &m), BW_OK) << bw_last_error();
  bw_session *s = nullptr;
  EXPECT_EQ(bw_session_create(m, nullptr, &s), BW_INVALID_FILE);
  EXPECT_NE(std::string(bw_last_error()).find("corrupt code section avx2"), std::string::npos) << bw_last_error();
  bw_model_destroy(m);
}

TEST_F(Runtime, LoadFlags) {
  std::vector<uint8_t> bytes = makeBytes();
  bw_model *m = nullptr;
  EXPECT_EQ(bw_model_load_memory(bytes.data(), bytes.size(), 64, &m), BW_INVALID_ARGUMENT);
  EXPECT_STREQ(bw_last_error(), "unknown load flags 64");
  ASSERT_EQ(bw_model_load_memory(bytes.data(), bytes.size(), BW_LOAD_NO_CODE, &m), BW_OK);
  EXPECT_EQ(bw_model_input_count(m, 0), 1u);
  bw_session *s = nullptr;
  EXPECT_EQ(bw_session_create(m, nullptr, &s), BW_INVALID_ARGUMENT);
  EXPECT_NE(std::string(bw_last_error()).find("without its code"), std::string::npos);
  bw_model_destroy(m);
}

TEST_F(Runtime, CaptureGivesLogicalOrder) {
  struct Seen {
    std::vector<std::string> names;
    std::vector<int32_t> mid;
  };
  for (uint32_t threads : {1u, 3u}) {
    open(makeModel(), threads);
    Seen seen;
    std::vector<int32_t> x = makeX(2, 8);
    Results r;
    ASSERT_EQ(run(
                  x, 2, 8, r,
                  [](const bw_captured *v, void *user) {
                    Seen &s = *static_cast<Seen *>(user);
                    s.names.push_back(std::string(v->launch) + ":" + v->name);
                    if (v->launch_index == 0) {
                      EXPECT_EQ(v->rank, 3);
                      EXPECT_EQ(v->dims[1], 3);
                      EXPECT_EQ(v->buffer_index, 2u);
                      s.mid.resize(v->bytes / 4);
                      std::memcpy(s.mid.data(), v->data, v->bytes);
                    }
                    return 0;
                  },
                  &seen),
              BW_OK);
    EXPECT_EQ(seen.names, (std::vector<std::string>{"shift:mid", "reverse:y", "total:total", "level:level"}));
    ASSERT_EQ(seen.mid.size(), x.size());
    for (size_t i = 0; i < x.size(); ++i)
      EXPECT_EQ(seen.mid[i], 2 * x[i] + 10 * (int(i / 8 % 3) + 1));
    EXPECT_EQ(r.y, expectedY(x, 2, 8));
    // A callback that returns 1 ends the run.
    int calls = 0;
    r.level = -1;
    ASSERT_EQ(
        run(
            x, 2, 8, r, [](const bw_captured *, void *user) { return int(++*static_cast<int *>(user) == 2); }, &calls),
        BW_OK);
    EXPECT_EQ(calls, 2);
    EXPECT_EQ(r.level, -1);
  }
}

TEST_F(Runtime, Profile) {
  EXPECT_EQ(bw_session_profile_count(session, 0), 0u);
  for (uint32_t threads : {1u, 2u}) {
    open(makeModel(), threads, nullptr, true);
    expectCorrect(1, 4);
    expectCorrect(1, 8);
    ASSERT_EQ(bw_session_profile_count(session, 0), 4u);
    bw_profile_entry p;
    ASSERT_EQ(bw_session_profile(session, 0, 1, &p), BW_OK);
    EXPECT_STREQ(p.launch, "reverse");
    EXPECT_STREQ(p.kernel, "reverse");
    EXPECT_STREQ(p.note, "by way of scratch");
    EXPECT_EQ(p.calls, 2u);
    EXPECT_GT(p.nanoseconds, 0u);
    EXPECT_EQ(bw_session_profile(session, 0, 4, &p), BW_INVALID_ARGUMENT);
    bw_session_profile_reset(session);
    ASSERT_EQ(bw_session_profile(session, 0, 1, &p), BW_OK);
    EXPECT_EQ(p.calls, 0u);
  }
}

TEST_F(Runtime, SelfCheck) {
  EXPECT_EQ(bw_self_check(session, nullptr), BW_INVALID_ARGUMENT);
  EXPECT_STREQ(bw_last_error(), "the file has no self-check");
  Model m = makeModel();
  // Without `level`, which differs by design between the levels.
  m.entries[0].launches.pop_back();
  runtime::Status s = addSelfCheck(m, 7, {3, 20});
  ASSERT_TRUE(s.ok()) << s.text;
  ASSERT_EQ(m.selfCheck.checksums.size(), 3u);
  size_t compared = 0;
  open(m, 2);
  EXPECT_EQ(bw_self_check(session, &compared), BW_OK) << bw_last_error();
  EXPECT_EQ(compared, 3u);
  m.selfCheck.checksums[1].value ^= 1;
  open(m);
  EXPECT_EQ(bw_self_check(session, &compared), BW_CHECK_FAILED);
  EXPECT_NE(std::string(bw_last_error()).find("tensor 'y' of launch 1 'reverse'"), std::string::npos)
      << bw_last_error();
}

static int reenter(const bw_captured *, void *user) {
  bw_tensor none = {};
  return bw_run(static_cast<bw_session *>(user), 0, &none, 1, &none, 1) == BW_INVALID_ARGUMENT ? 0 : 1;
}

TEST_F(Runtime, ConcurrentUseIsRefused) {
  std::vector<int32_t> x = makeX(1, 4);
  Results r;
  ASSERT_EQ(run(x, 1, 4, r, reenter, session), BW_OK);
  EXPECT_NE(r.level, -1) << "the run inside the run was accepted";
}

TEST_F(Runtime, CallersRoundingModeDoesNotLeakIn) {
  close();
  open(makeFloatModel());
  const float in[2] = {1e-40f, 1.0f};
  float data[2] = {in[0], in[1]}, out = -1;
  bw_tensor a = tensor("a", BW_F32, {2}, data, 8), b = tensor("b", BW_F32, {}, &out, 4);
  const unsigned before = _mm_getcsr();
  _mm_setcsr(before | 0x8040); // flush to zero, denormals are zero
  bw_status s = bw_run(session, 0, &a, 1, &b, 1);
  const unsigned after = _mm_getcsr();
  _mm_setcsr(before);
  ASSERT_EQ(s, BW_OK) << bw_last_error();
  EXPECT_EQ(after & 0x8040, 0x8040u) << "the caller's mode must come back";
  uint32_t bits, expected;
  std::memcpy(&bits, &out, 4);
  std::memcpy(&expected, &in[0], 4);
  EXPECT_EQ(bits, expected);
}

TEST_F(Runtime, EntryPoints) {
  Model m = makeModel();
  EntryPoint only = m.entries[0]; // `total` of the input itself
  only.name = "sum";
  only.outputs = {2};
  only.launches = {m.entries[0].launches[2]};
  only.launches[0].buffers = {{BufferKind::Input, 0, 0, 0}, {BufferKind::Output, 0, 2, 0}};
  m.entries.push_back(only);
  open(m);
  EXPECT_EQ(bw_model_entry_count(model), 2u);
  expectCorrect(2, 8);
  std::vector<int32_t> x = makeX(2, 8);
  int64_t sum = 0, expected = 0;
  for (int32_t v : x)
    expected += v;
  bw_tensor in = tensor("x", BW_S32, {2, 3, 8}, x.data(), x.size() * 4), out = tensor("total", BW_S64, {}, &sum, 8);
  ASSERT_EQ(bw_run(session, 1, &in, 1, &out, 1), BW_OK) << bw_last_error();
  EXPECT_EQ(sum, expected);
  expectCorrect(2, 8);
}

TEST_F(Runtime, MemoryIsNeverWritableAndExecutable) {
  expectCorrect(1, 4);
  std::FILE *maps = std::fopen("/proc/self/maps", "r");
  ASSERT_NE(maps, nullptr);
  char line[512];
  unsigned executable = 0;
  while (std::fgets(line, sizeof(line), maps)) {
    executable += std::strstr(line, " r-xp ") != nullptr;
    EXPECT_EQ(std::strstr(line, "rwx"), nullptr) << line;
  }
  std::fclose(maps);
  EXPECT_GT(executable, 0u);
}

/// More shapes than the session remembers.
TEST_F(Runtime, ManyShapes) {
  Model m = makeModel();
  m.symbols[1] = {"W", 1, 300, 1};
  m.arenaBytes = 64 + 4 * 300 * 4 * 4;
  open(m);
  for (int64_t w = 1; w <= 300; ++w)
    expectCorrect(1, w);
  expectCorrect(1, 1);
  expectCorrect(1, 300);
}

TEST(ThreadPool, EveryThreadOnceEveryTime) {
  for (unsigned threads : {1u, 2u, 5u}) {
    runtime::ThreadPool pool(threads);
    struct Context {
      runtime::ThreadPool *pool;
      std::atomic<int> calls[8];
      std::atomic<int> sum{0};
      bool failed = false;
    } context;
    for (auto &c : context.calls)
      c = 0;
    context.pool = &pool;
    const int rounds = 300;
    for (int round = 0; round < rounds; ++round)
      pool.run(
          [](void *p, unsigned t) {
            Context &c = *static_cast<Context *>(p);
            ++c.calls[t];
            c.sum += 1;
            c.pool->barrier().wait();
            // Behind the barrier everybody sees all additions of this round.
            if (c.sum % int(c.pool->size()) != 0)
              c.failed = true;
            c.pool->barrier().wait();
          },
          &context);
    EXPECT_FALSE(context.failed);
    for (unsigned t = 0; t < threads; ++t)
      EXPECT_EQ(context.calls[t], rounds);
  }
}

extern "C" int loadFromC(const void *bytes, size_t size, int *inputs);

TEST(CHeader, WorksFromC) {
  std::vector<uint8_t> bytes = makeBytes();
  int inputs = 0;
  EXPECT_EQ(loadFromC(bytes.data(), bytes.size(), &inputs), 0);
  EXPECT_EQ(inputs, 1);
  EXPECT_EQ(loadFromC(bytes.data(), 10, &inputs), int(BW_INVALID_FILE));
}
