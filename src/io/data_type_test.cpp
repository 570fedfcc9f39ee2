#include "io/data_type.h"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

#include "io/test_support.h"

namespace bitmar {
namespace {

std::vector<float> converted(DataType type, const testing::RawFile& file) {
  std::vector<float> values(file.bytes().size() / data_type_size(type));
  convert_to_float(type, file.bytes(), values);
  return values;
}

TEST(DataType, ConvertsEveryFloatType) {
  using testing::RawFile;
  const std::vector<float> expected = {1.0f, -0.5f, std::numeric_limits<float>::infinity()};
  EXPECT_EQ(
      converted(DataType::kF16,
                RawFile().number<std::uint16_t>(0x3C00).number<std::uint16_t>(0xB800).number<std::uint16_t>(0x7C00)),
      expected);
  EXPECT_EQ(
      converted(DataType::kBF16,
                RawFile().number<std::uint16_t>(0x3F80).number<std::uint16_t>(0xBF00).number<std::uint16_t>(0x7F80)),
      expected);
  EXPECT_EQ(converted(DataType::kF32, RawFile().number(expected[0]).number(expected[1]).number(expected[2])), expected);
  EXPECT_EQ(converted(DataType::kF64, RawFile().number(1.0).number(-0.5).number(1e300)), expected);
}

TEST(DataType, ReadsUnalignedBytes) {
  const testing::RawFile file = testing::RawFile().text("x").number(2.25f);
  float value = 0.0f;
  convert_to_float(DataType::kF32, std::span(file.bytes()).subspan(1), std::span(&value, 1));
  EXPECT_EQ(value, 2.25f);
}

TEST(DataType, SizesMatchNames) {
  for (int index = 0; index <= static_cast<int>(DataType::kF64); ++index) {
    const auto type = static_cast<DataType>(index);
    const std::string name(data_type_name(type));
    const std::size_t bits = type == DataType::kBool ? 8 : std::stoul(name.substr(name.find_first_of("0123456789")));
    EXPECT_EQ(data_type_size(type) * 8, bits) << name;
    EXPECT_EQ(is_float_type(type), name.find('F') != std::string::npos) << name;
  }
}

}  // namespace
}  // namespace bitmar
