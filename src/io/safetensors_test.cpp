#include "io/safetensors.h"

#include <gtest/gtest.h>

#include "io/error_test_support.h"
#include "io/test_support.h"

namespace bitmar {
namespace {

using testing::expect_error;
using testing::golden;
using testing::RawFile;
using testing::TemporaryFolder;
using testing::values_of;

Result<SafeTensorsFile> parse_safetensors(std::string_view header, std::size_t data_bytes) {
  const RawFile file = RawFile().number<std::uint64_t>(header.size()).text(header).zeros(data_bytes);
  return SafeTensorsFile::parse(file.bytes(), "test.safetensors");
}

void expect_invalid(std::string_view header, std::size_t data_bytes, std::string_view part) {
  SCOPED_TRACE(header);
  expect_error(parse_safetensors(header, data_bytes), ErrorCode::kInvalidFile, part);
}

TEST(SafeTensorsFile, ReadsTheOfficialPackagesFile) {
  const auto opened = SafeTensorsFile::open(golden("official.safetensors"));
  ASSERT_TRUE(opened) << opened.error().message;
  const SafeTensorsFile file = *opened;
  EXPECT_EQ(file.metadata().at("kind"), "golden");
  EXPECT_EQ(file.metadata().at("note"), "ünïcode");
  EXPECT_EQ(file.tensors().size(), 9u);

  const std::vector<float> expected = {-3.0f, -2.75f, -2.5f, -2.25f, -2.0f, -1.75f};
  for (const auto* name : {"half", "brain", "single", "double"}) {
    EXPECT_EQ(file.floats(name, 6).value(), expected) << name;
    EXPECT_EQ((*file.tensor(name))->shape, (std::vector<std::uint64_t>{2, 3})) << name;
  }
  EXPECT_EQ((*file.tensor("brain"))->type, DataType::kBF16);
  EXPECT_EQ(values_of<std::uint8_t>((*file.tensor("bytes"))->bytes), (std::vector<std::uint8_t>{0, 1, 2, 3, 4}));
  EXPECT_EQ(values_of<std::int64_t>((*file.tensor("ids"))->bytes), (std::vector<std::int64_t>{0, 1, 2, 3}));
  EXPECT_EQ((*file.tensor("flags"))->type, DataType::kBool);
  EXPECT_TRUE((*file.tensor("scalar"))->shape.empty());
  EXPECT_EQ(file.floats("scalar", 1).value(), std::vector<float>{1.5f});
  EXPECT_TRUE((*file.tensor("empty"))->bytes.empty());
}

TEST(SafeTensorsFile, NamesWhatDoesNotFit) {
  const SafeTensorsFile file = SafeTensorsFile::open(golden("official.safetensors")).value();
  const auto missing = file.tensor("none");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::kNotFound);
  EXPECT_TRUE(missing.error().message.ends_with("tensor 'none' is missing"));
  const auto count = file.floats("single", 7);
  ASSERT_FALSE(count);
  EXPECT_TRUE(count.error().message.ends_with("tensor 'single' has 6 elements; expected 7")) << count.error().message;
  const auto type = file.floats("ids", 4);
  ASSERT_FALSE(type);
  EXPECT_TRUE(type.error().message.ends_with("tensor 'ids' is I64; expected F16, BF16, F32 or F64"));
}

TEST(SafeTensorsWriter, RoundTripsWithAlignedTensors) {
  const TemporaryFolder folder;
  const std::vector<std::uint8_t> bytes = {1, 2, 3};
  const std::vector<double> doubles = {0.1, -0.2};
  const std::vector<float> floats = {4.5f};
  SafeTensorsWriter writer;
  writer.set_metadata("step", "1");
  writer.set_metadata("step", "12");
  writer.set_metadata("quoted \"key\"", "line\nbreak é");
  writer.add_tensor("bytes", DataType::kU8, {3}, std::as_bytes(std::span(bytes)));
  writer.add_tensor("doubles", DataType::kF64, {2, 1}, std::as_bytes(std::span(doubles)));
  writer.add_tensor("floats", DataType::kF32, {}, std::as_bytes(std::span(floats)));
  ASSERT_TRUE(writer.write(folder.file("a.safetensors")));

  const auto opened = SafeTensorsFile::open(folder.file("a.safetensors"));
  ASSERT_TRUE(opened) << opened.error().message;
  EXPECT_EQ(opened->metadata().size(), 2u);
  EXPECT_EQ(opened->metadata().at("step"), "12");
  EXPECT_EQ(opened->metadata().at("quoted \"key\""), "line\nbreak é");
  EXPECT_EQ(values_of<std::uint8_t>((*opened->tensor("bytes"))->bytes), bytes);
  EXPECT_EQ(values_of<double>((*opened->tensor("doubles"))->bytes), doubles);
  EXPECT_EQ((*opened->tensor("doubles"))->shape, (std::vector<std::uint64_t>{2, 1}));
  EXPECT_TRUE((*opened->tensor("floats"))->shape.empty());
  for (const auto& tensor : opened->tensors()) {
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(tensor.bytes.data()) % data_type_size(tensor.type), 0u) << tensor.name;
  }
}

TEST(SafeTensorsWriter, WritesMetadataThatIsNotUtf8AsReplacements) {
  const TemporaryFolder folder;
  SafeTensorsWriter writer;
  writer.set_metadata("name", "caf\xE9.jpg");
  ASSERT_TRUE(writer.write(folder.file("a.safetensors")));
  const auto opened = SafeTensorsFile::open(folder.file("a.safetensors"));
  ASSERT_TRUE(opened) << opened.error().message;
  EXPECT_EQ(opened->metadata().at("name"), "caf\xEF\xBF\xBD.jpg");
}

TEST(SafeTensorsFile, AcceptsPaddingAndNoTensors) {
  EXPECT_TRUE(parse_safetensors("{}", 0));
  EXPECT_TRUE(parse_safetensors("{}      ", 0));
  EXPECT_TRUE(parse_safetensors(R"({"a":{"shape":[2],"data_offsets":[0,8],"dtype":"F32"}}   )", 8));
}

TEST(SafeTensorsFile, RefusesBadHeaderLengths) {
  expect_error(SafeTensorsFile::parse(RawFile().zeros(7).bytes(), "test.safetensors"), ErrorCode::kInvalidFile,
               "the header length");
  expect_error(SafeTensorsFile::parse(RawFile().number<std::uint64_t>(~0ull).bytes(), "test.safetensors"),
               ErrorCode::kInvalidFile, "expected at most 100000000");
  expect_error(SafeTensorsFile::parse(RawFile().number<std::uint64_t>(3).text("{}").bytes(), "test.safetensors"),
               ErrorCode::kInvalidFile, "the header needs 3 bytes");
  expect_invalid("", 0, "does not begin with '{'");
  expect_invalid(" {}", 0, "does not begin with '{'");
}

TEST(SafeTensorsFile, RefusesBadJson) {
  expect_invalid("{", 0, "not valid JSON");
  expect_invalid("{}x", 0, "not valid JSON");
  expect_invalid("{\"\xFF\":{}}", 0, "not valid JSON");
  expect_invalid(R"({"a":)" + std::string(100'000, '['), 0, "an array");
  expect_invalid(R"({"a":)", 0, "not valid JSON");
}

TEST(SafeTensorsFile, RefusesAnotherStructure) {
  expect_invalid(R"({"a":1})", 0, "a number at or under 'a'");
  expect_invalid(R"({"a":{}})", 0, "tensor 'a' needs dtype, shape and data_offsets");
  expect_invalid(R"({"a":{"dtype":"U8","shape":[0]}})", 0, "needs dtype, shape and data_offsets");
  expect_invalid(R"({"a":{"dtype":"U8","dtype":"U8"}})", 0, "dtype twice");
  expect_invalid(R"({"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0],"more":1}})", 0, "unknown key 'more'");
  expect_invalid(R"({"a":{"dtype":{"x":1}}})", 0, "an object");
  expect_invalid(R"({"a":{"shape":[[1]]}})", 0, "an array");
  expect_invalid(R"({"a":{"shape":[-1]}})", 0, "a negative number");
  expect_invalid(R"({"a":{"shape":[1.0]}})", 0, "a fraction");
  expect_invalid(R"({"a":{"shape":[18446744073709551616]}})", 0, "a fraction");
  expect_invalid(R"({"a":{"shape":null}})", 0, "null");
  expect_invalid(R"({"a":{"shape":[true]}})", 0, "a boolean");
  expect_invalid(R"({"a":{"data_offsets":[0]}})", 0, "two data_offsets");
  expect_invalid(R"({"a":{"data_offsets":[0,0,0]}})", 0, "more than two data_offsets");
  expect_invalid(R"({"__metadata__":{"k":1}})", 0, "a number at or under 'k'");
  expect_invalid(R"({"__metadata__":{"k":"a","k":"b"}})", 0, "'k' twice");
  expect_invalid(R"({"__metadata__":{},"__metadata__":{}})", 0, "'__metadata__' twice");
  std::string deep = R"({"a":{"shape":[1)";
  for (int i = 0; i < 32; ++i) deep += ",1";
  expect_invalid(deep, 0, "more than 32 dimensions");
  expect_error(parse_safetensors(R"({"a":{"dtype":"F8_E4M3","shape":[0],"data_offsets":[0,0]}})", 0),
               ErrorCode::kUnsupported, "'F8_E4M3'");
}

TEST(SafeTensorsFile, RefusesHolesOverlapsAndSizesThatDoNotFit) {
  const auto tensor = [](std::string_view name, std::uint64_t begin, std::uint64_t end) {
    return fmt::format(R"("{}":{{"dtype":"U8","shape":[{}],"data_offsets":[{},{}]}})", name, end - begin, begin, end);
  };
  const auto two = [&](const std::string& a, const std::string& b) { return "{" + a + "," + b + "}"; };
  EXPECT_TRUE(parse_safetensors(two(tensor("a", 4, 8), tensor("b", 0, 4)), 8));
  expect_invalid(two(tensor("a", 0, 4), tensor("a", 4, 8)), 8, "names 'a' twice");
  expect_invalid(two(tensor("a", 0, 4), tensor("b", 5, 8)), 8, "begins at byte 5 of the data; expected 4");
  expect_invalid(two(tensor("a", 0, 4), tensor("b", 3, 8)), 8, "begins at byte 3 of the data; expected 4");
  expect_invalid(two(tensor("a", 1, 4), tensor("b", 4, 8)), 8, "begins at byte 1 of the data; expected 0");
  expect_invalid(two(tensor("a", 0, 4), tensor("b", 4, 8)), 9, "1 bytes follow the last tensor");
  expect_invalid(two(tensor("a", 0, 4), tensor("b", 4, 8)), 7, "tensor 'b' needs 4 bytes");
  const auto one = [](std::string_view fields) { return fmt::format(R"({{"a":{{"dtype":"F32",{}}}}})", fields); };
  expect_invalid(one(R"("shape":[2],"data_offsets":[0,4])"), 4, "do not fit F32 and its shape");
  expect_invalid(one(R"("shape":[2],"data_offsets":[8,0])"), 8, "do not fit F32 and its shape");
  expect_invalid(one(R"("shape":[4294967296,4294967296],"data_offsets":[0,0])"), 0, "do not fit F32 and its shape");
  expect_invalid(one(R"("shape":[4611686018427387904],"data_offsets":[0,0])"), 0, "do not fit F32 and its shape");
}

}  // namespace
}  // namespace bitmar
