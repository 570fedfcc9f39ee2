#include "io/npy.h"

#include <gtest/gtest.h>

#include <limits>

#include "io/error_test_support.h"
#include "io/npy_header.h"
#include "io/test_support.h"

namespace bitmar {
namespace {

using testing::expect_error;
using testing::golden;
using testing::RawFile;
using testing::TemporaryFolder;
using testing::values_of;

constexpr const char* kGoodHeader = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }";

Result<NpyFile> parse_npy(std::string_view header, std::size_t data_bytes, std::uint8_t major = 1) {
  RawFile file;
  file.text("\x93NUMPY").number(major).number<std::uint8_t>(0);
  major == 1 ? file.number(static_cast<std::uint16_t>(header.size()))
             : file.number(static_cast<std::uint32_t>(header.size()));
  file.text(header).zeros(data_bytes);
  return NpyFile::parse(file.bytes(), "test.npy");
}

TEST(NpyFile, ReadsNumPysFiles) {
  for (const auto* name : {"f16_v1.npy", "f32_v1.npy", "f32_v2.npy", "f64_3d.npy"}) {
    const auto file = NpyFile::open(golden(name));
    ASSERT_TRUE(file) << file.error().message;
    EXPECT_EQ(file->shape().front(), 2u);
    EXPECT_EQ(file->elements(), 6u);
    std::vector<float> row(3);
    ASSERT_TRUE(file->read_row(0, row));
    EXPECT_EQ(row, (std::vector<float>{-3.0f, -2.75f, -2.5f})) << name;
    ASSERT_TRUE(file->read_row(1, row));
    EXPECT_EQ(row, (std::vector<float>{-2.25f, -2.0f, -1.75f})) << name;
  }
  EXPECT_EQ(NpyFile::open(golden("f64_3d.npy"))->shape(), (std::vector<std::uint64_t>{2, 1, 3}));
  const NpyFile vector = NpyFile::open(golden("u16_vector.npy")).value();
  EXPECT_EQ(vector.type(), DataType::kU16);
  EXPECT_EQ(values_of<std::uint16_t>(vector.bytes()), (std::vector<std::uint16_t>{0, 1, 65535}));
  const NpyFile scalar = NpyFile::open(golden("i8_scalar.npy")).value();
  EXPECT_TRUE(scalar.shape().empty());
  EXPECT_EQ(values_of<std::int8_t>(scalar.bytes()), std::vector<std::int8_t>{-7});
}

TEST(NpyFile, RefusesNumPysOtherArrays) {
  const auto refused = [](const char* name, std::string_view part) {
    expect_error(NpyFile::open(golden(name)), ErrorCode::kUnsupported, part, golden(name));
  };
  refused("fortran.npy", "Fortran order");
  refused("big_endian.npy", "big-endian");
  refused("object.npy", "Python objects");
  refused("structured.npy", "structured");
  refused("complex.npy", "neither a float nor an integer");
}

TEST(NpyFile, NamesRowsThatDoNotFit) {
  const NpyFile file = NpyFile::open(golden("f32_v1.npy")).value();
  std::vector<float> row(3);
  const auto beyond = file.read_row(2, row);
  ASSERT_FALSE(beyond);
  EXPECT_EQ(beyond.error().code, ErrorCode::kOutOfRange);
  row.resize(4);
  const auto size = file.read_row(0, row);
  ASSERT_FALSE(size);
  EXPECT_EQ(size.error().code, ErrorCode::kInvalidArgument);
  const NpyFile integers = NpyFile::open(golden("u16_vector.npy")).value();
  EXPECT_FALSE(integers.read_row(0, std::span(row).first(1)));
}

TEST(NpyFile, AcceptsTheDictInOtherSpellings) {
  EXPECT_TRUE(parse_npy(kGoodHeader, 24));
  EXPECT_TRUE(parse_npy(kGoodHeader, 24, 2));
  EXPECT_TRUE(parse_npy(R"({"shape":(2,3),"fortran_order":False,"descr":"<f4"})", 24));
  EXPECT_TRUE(parse_npy("{'descr': '<f4', 'fortran_order': True, 'shape': (6,), }\n", 24));  // one dimension: no order
  EXPECT_TRUE(parse_npy("{'descr': '|u1', 'fortran_order': False, 'shape': (0, 9), }", 0));
}

TEST(NpyFile, RefusesBadHeaders) {
  const auto invalid = [](std::string_view header, std::string_view part) {
    SCOPED_TRACE(header);
    expect_error(parse_npy(header, 24), ErrorCode::kInvalidFile, part);
  };
  invalid("", "'{'");
  invalid("{", "a quoted string");
  invalid("{'descr", "a closing quote");
  invalid("{}", "each of the keys");
  invalid("{'descr': '<f4', 'fortran_order': False}", "each of the keys");
  invalid("{'descr': '<f4', 'descr': '<f4'}", "each of the keys");
  invalid("{'other': 1}", "each of the keys");
  invalid("{'fortran_order': 0}", "'False'");
  invalid("{'shape': 3}", "'('");
  invalid("{'shape': (2 3)}", "a tuple");
  invalid("{'shape': (-2,)}", "a dimension");
  invalid("{'shape': (24)}", "a tuple");
  invalid("{'shape': (99999999999999999999,)}", "a dimension");
  invalid(std::string(kGoodHeader) + " {}", "only spaces after the dict");
  invalid("{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296), }", "does not fit its shape");
  invalid("{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904,), }", "does not fit its shape");
  std::string deep = "{'shape': (1";
  for (int i = 0; i < 32; ++i) deep += ", 1";
  invalid(deep + ")}", "at most 32 dimensions");
}

TEST(NpyFile, RefusesOtherFilesVersionsAndSizes) {
  expect_error(NpyFile::parse(RawFile().text("NUMPY").zeros(20).bytes(), "test.npy"), ErrorCode::kInvalidFile,
               "not a .npy file");
  expect_error(parse_npy(kGoodHeader, 24, 3), ErrorCode::kUnsupported, "version 3.0");
  expect_error(parse_npy(kGoodHeader, 23), ErrorCode::kInvalidFile, "23 bytes of data");
  expect_error(parse_npy(kGoodHeader, 25), ErrorCode::kInvalidFile, "25 bytes of data");
  RawFile long_header;
  long_header.text("\x93NUMPY").number<std::uint8_t>(2).number<std::uint8_t>(0).number<std::uint32_t>(~0u);
  expect_error(NpyFile::parse(long_header.bytes(), "test.npy"), ErrorCode::kInvalidFile,
               "the header needs 4294967295 bytes");
}

TEST(NpyWriter, WritesNumPysBytes) {
  const TemporaryFolder folder;
  for (const auto& [name, type] : {std::pair{"f32_v1.npy", DataType::kF32}, std::pair{"f16_v1.npy", DataType::kF16}}) {
    auto writer = NpyWriter::create(folder.file(name), type, {2, 3}, false);
    ASSERT_TRUE(writer) << writer.error().message;
    ASSERT_TRUE(writer->write_row(1, std::vector<float>{-2.25f, -2.0f, -1.75f}));  // any order
    ASSERT_TRUE(writer->write_row(0, std::vector<float>{-3.0f, -2.75f, -2.5f}));
    ASSERT_TRUE(writer->flush());
    EXPECT_EQ(testing::read_file(folder.file(name)), testing::read_file(golden(name))) << name;
  }
  EXPECT_EQ(folder.entries(), 2u);
}

TEST(NpyWriter, ResumesWhatIsThere) {
  const TemporaryFolder folder;
  const std::string path = folder.file("a.npy");
  ASSERT_TRUE(NpyWriter::create(path, DataType::kF32, {3, 2}, true)->write_row(0, std::vector<float>{1.0f, 2.0f}));
  ASSERT_TRUE(NpyWriter::create(path, DataType::kF32, {3, 2}, true)->write_row(2, std::vector<float>{5.0f, 6.0f}));
  EXPECT_EQ(values_of<float>(NpyFile::open(path)->bytes()), (std::vector<float>{1.0f, 2.0f, 0.0f, 0.0f, 5.0f, 6.0f}));

  for (const auto& [type, shape] : {std::pair{DataType::kF16, std::vector<std::uint64_t>{3, 2}},
                                    std::pair{DataType::kF32, std::vector<std::uint64_t>{2, 3}}}) {
    const auto other = NpyWriter::create(path, type, shape, true);
    ASSERT_FALSE(other);
    EXPECT_NE(other.error().message.find("another type or shape"), std::string::npos);
  }
  ASSERT_TRUE(NpyWriter::create(path, DataType::kF32, {1, 2}, false));
  EXPECT_EQ(values_of<float>(NpyFile::open(path)->bytes()), (std::vector<float>{0.0f, 0.0f}));
}

TEST(NpyWriter, RefusesWhatDoesNotFit) {
  const TemporaryFolder folder;
  const std::string path = folder.file("a.npy");
  EXPECT_FALSE(NpyWriter::create(path, DataType::kI32, {2}, false));
  EXPECT_FALSE(NpyWriter::create(path, DataType::kF32, {}, false));
  EXPECT_FALSE(NpyWriter::create(path, DataType::kF32, {1ull << 62, 8}, false));
  EXPECT_FALSE(NpyWriter::create(folder.file("missing/a.npy"), DataType::kF32, {2}, false));
  EXPECT_EQ(folder.entries(), 0u);
  auto writer = NpyWriter::create(path, DataType::kF32, {2, 2}, false);
  ASSERT_TRUE(writer);
  EXPECT_FALSE(writer->write_row(2, std::vector<float>(2)));
  EXPECT_FALSE(writer->write_row(0, std::vector<float>(3)));
}

TEST(NpyHeader, RoundTripsEveryTypeAndRank) {
  for (const auto type : {DataType::kF16, DataType::kF32, DataType::kF64, DataType::kI8, DataType::kU8, DataType::kI16,
                          DataType::kU16, DataType::kI32, DataType::kU32, DataType::kI64, DataType::kU64}) {
    for (const auto& shape :
         {std::vector<std::uint64_t>{}, {5}, {7, 1}, {1, 2, std::numeric_limits<std::uint64_t>::max()}}) {
      const NpyHeader header{type, shape};
      const std::string bytes = format_npy_header(header);
      EXPECT_EQ(bytes.size() % 64, 0u);
      EXPECT_EQ(parse_npy_header(std::string_view(bytes).substr(10), "x").value(), header);
    }
  }
}

}  // namespace
}  // namespace bitmar
