//===- SafetensorsTest.cpp - saving and mapping weights ---------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "dialects/Qnn/Qnn.h"
#include "lib/Weights/WeightFiles.h"
#include "mlir/IR/Builders.h"
#include "mlir/Parser/Parser.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include <gtest/gtest.h>

using namespace mlir;
using namespace bitwright;

namespace {

class Safetensors : public testing::Test {
protected:
  Safetensors() {
    EXPECT_FALSE(llvm::sys::fs::createUniqueDirectory("bitwright-weights", folder));
    context.getOrLoadDialect<qnn::QnnDialect>();
    other.getOrLoadDialect<qnn::QnnDialect>();
  }
  ~Safetensors() override { llvm::sys::fs::remove_directories(folder); }

  std::string path(StringRef name) {
    SmallString<128> result(folder);
    llvm::sys::path::append(result, name);
    return std::string(result);
  }
  WeightData make(ArrayRef<int64_t> shape, Type element, ArrayRef<uint8_t> bytes) {
    return WeightData::copyOf<uint8_t>(RankedTensorType::get(shape, element), bytes);
  }
  /// A file with the given header text and `bytes` zero bytes of data.
  std::string write(StringRef header, size_t bytes) {
    std::string file = path("bad.safetensors");
    std::error_code error;
    llvm::raw_fd_ostream out(file, error);
    char length[8];
    llvm::support::endian::write64le(length, header.size());
    out.write(length, 8);
    out << header << std::string(bytes, '\0');
    return file;
  }
  std::string loadError(StringRef file) {
    auto error = getWeightStore(&context).load(file, &context);
    return error ? llvm::toString(std::move(error)) : "";
  }

  SmallString<128> folder;
  MLIRContext context, other;
};

TEST_F(Safetensors, EveryElementTypeComesBackBitForBit) {
  Builder b(&context);
  struct Case {
    const char *name;
    Type element;
    unsigned bytes;
  } cases[] = {{"f32", b.getF32Type(), 4},   {"f16", b.getF16Type(), 2},
               {"bf16", b.getBF16Type(), 2}, {"i8", b.getI8Type(), 1},
               {"i16", b.getI16Type(), 2},   {"i32", b.getI32Type(), 4},
               {"i64", b.getI64Type(), 8},   {"ui8", b.getIntegerType(8, false), 1},
               {"bool", b.getI1Type(), 1},   {"ui16", b.getIntegerType(16, false), 2}};
  WeightStore &store = getWeightStore(&context);
  for (const Case &c : cases) {
    std::vector<uint8_t> bytes;
    for (unsigned i = 0; i < 6 * c.bytes; ++i)
      bytes.push_back(StringRef(c.name) == "bool" ? i % 2 : 37 * i + 11);
    store.set(c.name, make({2, 3}, c.element, bytes));
  }
  store.set("scalar", make({}, b.getF32Type(), {0, 0, 128, 63}));
  store.set("empty", make({0, 4}, b.getF32Type(), {}));
  // 15 elements of 4 bits: 8 bytes, the last nibble unused.
  store.set("i4", make({3, 5}, b.getIntegerType(4), {0x21, 0x43, 0x65, 0x87, 0xa9, 0xcb, 0xed, 0x0f}));
  store.set("odd \"name\"/ä", make({1}, b.getI8Type(), {200}));
  ASSERT_FALSE(bool(store.save(path("all.safetensors"))));

  WeightStore &loaded = getWeightStore(&other);
  auto error = loaded.load(path("all.safetensors"), &other);
  ASSERT_FALSE(bool(error)) << llvm::toString(std::move(error));
  EXPECT_EQ(loaded.names(), store.names());
  for (const std::string &name : store.names()) {
    auto expected = store.lookup(name), found = loaded.lookup(name);
    ASSERT_TRUE(found) << name;
    std::string a, c;
    llvm::raw_string_ostream(a) << expected->type;
    llvm::raw_string_ostream(c) << found->type;
    EXPECT_EQ(a, c);
    EXPECT_EQ(expected->bytes, found->bytes) << name;
    unsigned width = std::max(1u, found->type.getElementTypeBitWidth() / 8);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(found->bytes.data()) % width, 0u) << name << ": not aligned for its elements";
  }
}

/// A tensor of no elements has no bytes, and their address may be null (found by fuzzing the importer).
TEST_F(Safetensors, EmptyConstants) {
  Builder builder(&context);
  EXPECT_TRUE(toFloats(make({0}, builder.getF32Type(), {})).empty());
  EXPECT_TRUE(toIntegers(make({2, 0}, builder.getI32Type(), {})).empty());
}

TEST_F(Safetensors, SavesOnlyTheNamedOnes) {
  Builder b(&context);
  WeightStore &store = getWeightStore(&context);
  store.set("a", make({1}, b.getI8Type(), {1}));
  store.set("b", make({1}, b.getI8Type(), {2}));
  ASSERT_FALSE(bool(store.save(path("one.safetensors"), {"b"})));
  ASSERT_FALSE(bool(getWeightStore(&other).load(path("one.safetensors"), &other)));
  EXPECT_EQ(getWeightStore(&other).names(), std::vector<std::string>{"b"});
  auto error = store.save(path("two.safetensors"), {"c"});
  EXPECT_NE(llvm::toString(std::move(error)).find("expected a weight 'c' in the store, found none"), std::string::npos);
  EXPECT_FALSE(llvm::sys::fs::exists(path("two.safetensors")));
}

TEST_F(Safetensors, AFailedSaveLeavesNothing) {
  Builder b(&context);
  getWeightStore(&context).set("a", make({1}, b.getI8Type(), {1}));
  auto error = getWeightStore(&context).save(path("missing/a.safetensors"));
  EXPECT_NE(llvm::toString(std::move(error)).find("cannot be written"), std::string::npos);
}

TEST_F(Safetensors, BadFiles) {
  auto contains = [](const std::string &text, const char *part) {
    return text.find(part) != std::string::npos ? testing::AssertionSuccess() : testing::AssertionFailure() << text;
  };
  EXPECT_TRUE(contains(loadError(path("none")), "cannot be read"));
  EXPECT_TRUE(contains(loadError(write("{}", 0).append("x")), "cannot be read"));
  {
    std::error_code error;
    llvm::raw_fd_ostream(path("short"), error) << "1234567";
    llvm::raw_fd_ostream(path("long"), error) << "\xff\xff\xff\xff\xff\xff\xff\xff{}";
  }
  EXPECT_TRUE(contains(loadError(path("short")), "is not a safetensors file"));
  EXPECT_TRUE(contains(loadError(path("long")), "does not fit into 10 bytes"));
  EXPECT_TRUE(contains(loadError(write("{", 0)), "is not a safetensors file"));
  EXPECT_TRUE(contains(loadError(write("[]", 0)), "expected a JSON object"));
  EXPECT_TRUE(contains(loadError(write(R"({"a":{"dtype":"F32","shape":[1]}})", 4)),
                       "expected dtype, shape and two data_offsets"));
  EXPECT_TRUE(contains(loadError(write(R"({"a":{"dtype":"F64","shape":[1],"data_offsets":[0,8]}})", 8)),
                       "expected a dtype out of F32"));
  EXPECT_TRUE(contains(loadError(write(R"({"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}})", 4)),
                       "expected dimensions >= 0"));
  EXPECT_TRUE(contains(
      loadError(write(R"({"a":{"dtype":"F32","shape":[1099511627776,1099511627776],"data_offsets":[0,4]}})", 4)),
      "at most 2^40 elements"));
  EXPECT_TRUE(contains(loadError(write(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 4)),
                       "its data lies outside the file"));
  EXPECT_TRUE(contains(loadError(write(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[4,0]}})", 8)),
                       "its data lies outside the file"));
  EXPECT_TRUE(contains(loadError(write(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", 8)),
                       "expected 8 bytes, found 4"));
  EXPECT_TRUE(contains(
      loadError(
          write(R"({"__metadata__":{"bitwright.a":"f4 2"},"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", 1)),
      "expected a type such as 'i4 3x5'"));
  // One bad tensor: none is added.
  EXPECT_TRUE(contains(
      loadError(write(
          R"({"a":{"dtype":"I8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"I8","shape":[2],"data_offsets":[0,1]}})",
          1)),
      "expected 2 bytes, found 1"));
  EXPECT_TRUE(getWeightStore(&context).names().empty());
}

TEST_F(Safetensors, TensorAtAnOddAddressIsCopied) {
  // The header is 63 bytes: the float starts at byte 71.
  std::string header = R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})";
  header.resize(63, ' ');
  ASSERT_EQ(loadError(write(header, 4)), "");
  auto data = getWeightStore(&context).lookup("a");
  ASSERT_TRUE(data);
  EXPECT_EQ(data->as<float>()[0], 0.0f);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(data->bytes.data()) % 4, 0u);
}

TEST_F(Safetensors, WeightFilesOfAModule) {
  const char *text =
      R"(func.func @main() -> tensor<2xi8> { %0 = qnn.weight "w" : tensor<2xi8> return %0 : tensor<2xi8> })";
  auto module = parseSourceString<ModuleOp>(text, &context);
  ASSERT_TRUE(module);
  Builder b(&context);
  getWeightStore(&context).set("w", make({2}, b.getI8Type(), {5, 6}));
  getWeightStore(&context).set("unused", make({2}, b.getI8Type(), {7, 8}));
  ASSERT_FALSE(bool(saveWeightFile(*module, path("m.safetensors"))));
  std::string printed;
  llvm::raw_string_ostream(printed) << *module;
  EXPECT_NE(printed.find(R"(qnn.weight_files = ["m.safetensors"])"), std::string::npos) << printed;

  auto again = parseSourceString<ModuleOp>(printed, &other);
  ASSERT_TRUE(again);
  auto error = loadWeightFiles(*again, folder);
  ASSERT_FALSE(bool(error)) << llvm::toString(std::move(error));
  EXPECT_EQ(getWeightStore(&other).names(), std::vector<std::string>{"w"});
  EXPECT_EQ(getWeightStore(&other).lookup("w")->bytes[1], 6);
  error = loadWeightFiles(*again, path("elsewhere"));
  EXPECT_NE(llvm::toString(std::move(error)).find("cannot be read"), std::string::npos);
}

TEST_F(Safetensors, AModuleWithoutWeightsHasNoFile) {
  auto module = parseSourceString<ModuleOp>("func.func @main() { return }", &context);
  ASSERT_FALSE(bool(saveWeightFile(*module, path("m.safetensors"))));
  EXPECT_FALSE((*module)->hasAttr("qnn.weight_files"));
  EXPECT_FALSE(llvm::sys::fs::exists(path("m.safetensors")));
  EXPECT_FALSE(bool(loadWeightFiles(*module, folder)));
}

} // namespace
