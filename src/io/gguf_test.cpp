#include "io/gguf.h"

#include <gtest/gtest.h>

#include <functional>
#include <optional>

#include "io/error_test_support.h"
#include "io/gguf_layout.h"
#include "io/test_support.h"

namespace bitmar {
namespace {

using testing::expect_error;
using testing::golden;
using testing::RawFile;
using testing::TemporaryFolder;
using testing::values_of;

constexpr std::uint32_t kUint32Type = 4;
constexpr std::uint32_t kBoolType = 7;

Result<GgufFile> parse(const RawFile& file) {
  return GgufFile::parse(file.bytes(), "test.gguf");
}

RawFile preamble(std::uint64_t tensors, std::uint64_t keys) {
  RawFile file;
  file.text("GGUF").number(gguf::kVersion).number(tensors).number(keys);
  return file;
}

RawFile& string(RawFile& file, std::string_view text) {
  return file.number<std::uint64_t>(text.size()).text(text);
}

struct Entry {
  std::string name = "t";
  std::vector<std::uint64_t> file_shape = {2};  // fastest first, as in the file
  std::uint32_t type = static_cast<std::uint32_t>(GgufType::kF32);
  std::uint64_t offset = 0;
};

RawFile& entry(RawFile& file, const Entry& tensor) {
  string(file, tensor.name).number(static_cast<std::uint32_t>(tensor.file_shape.size()));
  for (const auto extent : tensor.file_shape) file.number(extent);
  return file.number(tensor.type).number(tensor.offset);
}

std::vector<float> ramp(std::size_t count) {
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i) values[i] = -3.0f + 0.25f * static_cast<float>(i);
  return values;
}

// The writer of tests/goldens/io/make_io.py, in C++.
GgufWriter golden_writer() {
  GgufWriter writer("bitmar-test");
  writer.set("test.u8", std::uint8_t{200});
  writer.set("test.i8", std::int8_t{-100});
  writer.set("test.u16", std::uint16_t{60000});
  writer.set("test.i16", std::int16_t{-30000});
  writer.set("test.u32", std::uint32_t{4000000000});
  writer.set("test.i32", std::int32_t{-2000000000});
  writer.set("test.f32", 0.15625f);
  writer.set("test.bool", true);
  writer.set("test.string", std::string("naïve café ☕"));
  writer.set("test.u64", (std::uint64_t{1} << 63) + 5);
  writer.set("test.i64", -(std::int64_t{1} << 62));
  writer.set("test.f64", -2.5e-300);
  writer.set("test.array_u32", std::vector<std::uint32_t>{1, 2, 3});
  writer.set("test.array_f32", std::vector<float>{0.5f, -0.25f});
  writer.set("test.array_string", std::vector<std::string>{"a", "", "été"});
  writer.set("test.array_bool", std::vector<bool>{true, false});
  const auto add = [&](std::string_view name, GgufType type, std::vector<std::uint64_t> shape, const auto& values) {
    writer.add_tensor(name, type, std::move(shape), std::as_bytes(std::span(values)));
  };
  add("float32", GgufType::kF32, {2, 3}, ramp(6));
  add("float16", GgufType::kF16, {5}, std::vector<std::uint16_t>{0xC200, 0xC180, 0xC100, 0xC080, 0xC000});
  add("int8", GgufType::kI8, {2, 2, 2}, std::vector<std::int8_t>{-4, -3, -2, -1, 0, 1, 2, 3});
  add("int16", GgufType::kI16, {3}, std::vector<std::int16_t>{-2, -1, 0});
  add("int32", GgufType::kI32, {1, 2, 2, 2}, std::vector<std::int32_t>{0, 1, 2, 3, 4, 5, 6, 7});
  return writer;
}

TEST(GgufWriter, WritesTheBytesOfTheOfficialPackage) {
  const auto official = testing::read_file(golden("official.gguf"));
  const GgufWriter writer = golden_writer();
  EXPECT_EQ(writer.serialize(), official);
  const TemporaryFolder folder;
  ASSERT_TRUE(writer.write(folder.file("a.gguf")));
  EXPECT_EQ(testing::read_file(folder.file("a.gguf")), official);
}

TEST(GgufFile, ReadsTheOfficialPackagesFile) {
  const auto opened = GgufFile::open(golden("official.gguf"));
  ASSERT_TRUE(opened) << opened.error().message;
  const GgufFile file = *opened;
  EXPECT_EQ(file.value<std::string>("general.architecture").value(), "bitmar-test");
  EXPECT_EQ(file.value<std::uint8_t>("test.u8").value(), 200);
  EXPECT_EQ(file.value<std::int8_t>("test.i8").value(), -100);
  EXPECT_EQ(file.value<std::uint16_t>("test.u16").value(), 60000);
  EXPECT_EQ(file.value<std::int16_t>("test.i16").value(), -30000);
  EXPECT_EQ(file.value<std::uint32_t>("test.u32").value(), 4000000000u);
  EXPECT_EQ(file.value<std::int32_t>("test.i32").value(), -2000000000);
  EXPECT_EQ(file.value<float>("test.f32").value(), 0.15625f);
  EXPECT_EQ(file.value<bool>("test.bool").value(), true);
  EXPECT_EQ(file.value<std::string>("test.string").value(), "naïve café ☕");
  EXPECT_EQ(file.value<std::uint64_t>("test.u64").value(), (std::uint64_t{1} << 63) + 5);
  EXPECT_EQ(file.value<std::int64_t>("test.i64").value(), -(std::int64_t{1} << 62));
  EXPECT_EQ(file.value<double>("test.f64").value(), -2.5e-300);
  EXPECT_EQ(file.value<std::vector<std::string>>("test.array_string").value(),
            (std::vector<std::string>{"a", "", "été"}));
  EXPECT_EQ(file.value<std::vector<bool>>("test.array_bool").value(), (std::vector<bool>{true, false}));
  EXPECT_EQ(file.metadata().size(), 18u);

  ASSERT_EQ(file.tensors().size(), 5u);
  const GgufTensor& floats = **file.tensor("float32");
  EXPECT_EQ(floats.shape, (std::vector<std::uint64_t>{2, 3}));
  EXPECT_EQ(values_of<float>(floats.bytes), ramp(6));
  const GgufTensor& integers = **file.tensor("int32");
  EXPECT_EQ(integers.shape, (std::vector<std::uint64_t>{1, 2, 2, 2}));
  EXPECT_EQ(values_of<std::int32_t>(integers.bytes)[7], 7);
  EXPECT_EQ((*file.tensor("float16"))->type, GgufType::kF16);
  EXPECT_EQ(file.size_bytes(), testing::read_file(golden("official.gguf")).size());
}

TEST(GgufFile, NamesMissingAndMistypedKeys) {
  const auto bytes = golden_writer().serialize();
  const GgufFile file = GgufFile::parse(bytes, "test.gguf").value();
  const auto missing = file.value<float>("test.none");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::kNotFound);
  EXPECT_EQ(missing.error().message, "test.gguf: key 'test.none' is missing");
  const auto mistyped = file.value<float>("test.u32");
  ASSERT_FALSE(mistyped);
  EXPECT_EQ(mistyped.error().code, ErrorCode::kInvalidFile);
  const auto tensor = file.tensor("none");
  ASSERT_FALSE(tensor);
  EXPECT_EQ(tensor.error().message, "test.gguf: tensor 'none' is missing");
}

TEST(GgufWriter, ReplacesAKeyThatIsSetAgainAndWritesEmptyThings) {
  GgufWriter writer("bitmar");
  writer.set("k", std::uint32_t{1});
  writer.set("k", std::vector<std::string>{});
  writer.add_tensor("empty", GgufType::kI16, {0, 2}, {});
  writer.add_tensor("one", GgufType::kI8, {1}, testing::to_bytes("x"));
  const auto bytes = writer.serialize();
  const auto file = GgufFile::parse(bytes, "test.gguf");
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ(file->value<std::vector<std::string>>("k").value().size(), 0u);
  EXPECT_TRUE((*file->tensor("empty"))->bytes.empty());
  EXPECT_EQ((*file->tensor("one"))->bytes.size(), 1u);
}

TEST(GgufFile, KeepsItsMappingAliveInCopies) {
  const TemporaryFolder folder;
  ASSERT_TRUE(golden_writer().write(folder.file("a.gguf")));
  std::optional<GgufFile> copy;
  {
    const auto file = GgufFile::open(folder.file("a.gguf"));
    ASSERT_TRUE(file);
    copy = *file;
  }
  EXPECT_EQ(values_of<float>((*copy->tensor("float32"))->bytes), ramp(6));
}

TEST(GgufFile, RefusesOtherFilesAndVersions) {
  expect_error(parse(RawFile()), ErrorCode::kInvalidFile, "the magic number");
  expect_error(parse(RawFile().text("GGML").zeros(20)), ErrorCode::kInvalidFile, "not a GGUF file");
  expect_error(parse(RawFile().text("GGUF").number<std::uint32_t>(2).zeros(16)), ErrorCode::kUnsupported, "version 2");
  expect_error(parse(RawFile().text("GGUF").number<std::uint32_t>(3u << 24).zeros(16)), ErrorCode::kUnsupported,
               "big-endian");
}

TEST(GgufFile, AcceptsAFileOfNothing) {
  EXPECT_TRUE(parse(preamble(0, 0)));
}

TEST(GgufFile, RefusesCountsBeyondTheFile) {
  expect_error(parse(preamble(0, ~0ull)), ErrorCode::kInvalidFile, "keys, but 0 bytes remain");
  expect_error(parse(preamble(~0ull, 0)), ErrorCode::kInvalidFile, "tensors, but 0 bytes remain");
}

TEST(GgufFile, RefusesBadKeys) {
  RawFile twice = preamble(0, 2);
  for (int i = 0; i < 2; ++i) string(twice, "same").number(kUint32Type).number<std::uint32_t>(7);
  expect_error(parse(twice), ErrorCode::kInvalidFile, "key 'same' occurs twice");

  RawFile empty = preamble(0, 1);
  string(empty, "").number(kUint32Type).number<std::uint32_t>(7);
  expect_error(parse(empty), ErrorCode::kInvalidFile, "key is empty");

  RawFile not_utf8 = preamble(0, 1);
  string(not_utf8, "k\xFF").number(kUint32Type).number<std::uint32_t>(7);
  expect_error(parse(not_utf8), ErrorCode::kInvalidFile, "not UTF-8");

  RawFile long_key = preamble(0, 1);
  string(long_key, std::string(65536, 'k')).number(kUint32Type).number<std::uint32_t>(7);
  expect_error(parse(long_key), ErrorCode::kInvalidFile, "at most 65535");
}

TEST(GgufFile, RefusesBadValues) {
  RawFile type = preamble(0, 1);
  string(type, "key").number<std::uint32_t>(13).zeros(8);
  expect_error(parse(type), ErrorCode::kInvalidFile, "key 'key' has the unknown value type 13");

  RawFile boolean = preamble(0, 1);
  string(boolean, "key").number(kBoolType).number<std::uint8_t>(2);
  expect_error(parse(boolean), ErrorCode::kInvalidFile, "expected 0 or 1");

  RawFile text = preamble(0, 1);
  string(string(text, "key").number(gguf::kStringType), "\xC3\x28");
  expect_error(parse(text), ErrorCode::kInvalidFile, "not UTF-8");

  RawFile nested = preamble(0, 1);
  string(nested, "key").number(gguf::kArrayType).number(gguf::kArrayType).number<std::uint64_t>(0);
  expect_error(parse(nested), ErrorCode::kUnsupported, "array of arrays");

  for (const std::uint32_t element_type : {kUint32Type, kBoolType, gguf::kStringType}) {
    RawFile array = preamble(0, 1);
    string(array, "key").number(gguf::kArrayType).number(element_type).number<std::uint64_t>(1ull << 61).zeros(8);
    expect_error(parse(array), ErrorCode::kInvalidFile, "announces 2305843009213693952 elements");
  }
}

TEST(GgufFile, RefusesBadAlignment) {
  for (const std::uint32_t alignment : {0u, 1u, 4u, 24u, 1u << 17}) {
    RawFile file = preamble(0, 1);
    string(file, "general.alignment").number(kUint32Type).number(alignment);
    expect_error(parse(file), ErrorCode::kInvalidFile, "general.alignment must be a power of two");
  }
  RawFile other = preamble(1, 1);
  string(other, "general.alignment").number(kUint32Type).number<std::uint32_t>(64);
  entry(other, {}).pad(64).number(1.0f).number(2.0f);
  const auto file = parse(other);
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ(values_of<float>((*file->tensor("t"))->bytes), (std::vector<float>{1.0f, 2.0f}));
}

TEST(GgufFile, RefusesBadTensorEntries) {
  const auto one = [](const Entry& tensor) {
    RawFile file = preamble(1, 0);
    return parse(entry(file, tensor).pad(32).zeros(32));
  };
  EXPECT_TRUE(one({}));
  expect_error(one({.name = ""}), ErrorCode::kInvalidFile, "no name");
  expect_error(one({.name = std::string(65, 'n')}), ErrorCode::kInvalidFile, "at most 64");
  expect_error(one({.file_shape = {}}), ErrorCode::kInvalidFile, "0 dimensions");
  expect_error(one({.file_shape = {1, 1, 1, 1, 1}}), ErrorCode::kInvalidFile, "5 dimensions");
  expect_error(one({.type = 2}), ErrorCode::kUnsupported, "ggml type 2");
  expect_error(one({.file_shape = {1ull << 32, 1ull << 32}}), ErrorCode::kInvalidFile, "overflows");
  expect_error(one({.file_shape = {1ull << 62}}), ErrorCode::kInvalidFile, "overflows");
  expect_error(one({.file_shape = {9}}), ErrorCode::kInvalidFile, "tensor 't' needs 36 bytes");
  expect_error(one({.offset = 32}), ErrorCode::kInvalidFile, "offset 32 of the data; expected 0");
}

TEST(GgufFile, RefusesHolesOverlapsAndMisalignment) {
  const auto two = [](const Entry& second, const std::function<void(RawFile&)>& data) {
    RawFile file = preamble(2, 0);
    entry(file, {.name = "a"});
    entry(file, second).pad(32);
    data(file);
    return parse(file);
  };
  const auto zeros = [](RawFile& file) { file.zeros(128); };
  EXPECT_TRUE(two({.name = "b", .offset = 32}, [](RawFile& file) { file.zeros(64); }));  // padded at the end
  EXPECT_TRUE(two({.name = "b", .offset = 32}, [](RawFile& file) { file.zeros(40); }));  // and not
  expect_error(two({.name = "b", .offset = 64}, zeros), ErrorCode::kInvalidFile, "offset 64 of the data; expected 32");
  expect_error(two({.name = "b", .offset = 0}, zeros), ErrorCode::kInvalidFile, "offset 0 of the data; expected 32");
  expect_error(two({.name = "b", .offset = 8}, zeros), ErrorCode::kInvalidFile, "offset 8 of the data; expected 32");
  expect_error(two({.name = "a", .offset = 32}, [](RawFile& file) { file.zeros(64); }), ErrorCode::kInvalidFile,
               "tensor 'a' occurs twice");
  expect_error(two({.name = "b", .offset = 32}, zeros), ErrorCode::kInvalidFile, "bytes follow the last tensor");
  expect_error(two({.name = "b", .offset = 32}, [](RawFile& file) { file.zeros(8).text("x").zeros(55); }),
               ErrorCode::kInvalidFile, "padding before tensor 'b'");
  expect_error(two({.name = "b", .offset = 32}, [](RawFile& file) { file.zeros(63).text("x"); }),
               ErrorCode::kInvalidFile, "padding after the last tensor");
}

}  // namespace
}  // namespace bitmar
