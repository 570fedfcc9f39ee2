#include "io/byte_reader.h"

#include <gtest/gtest.h>

#include <limits>

#include "io/test_support.h"

namespace bitmar {
namespace {

using testing::RawFile;

TEST(ByteReader, ReadsLittleEndianNumbersInOrder) {
  const RawFile file = RawFile().text("\x34\x12\xFF").number(-2.5f).number<std::uint64_t>(1ull << 40);
  ByteReader reader(file.bytes(), "file");
  EXPECT_EQ(reader.read<std::uint16_t>("a").value(), 0x1234u);
  EXPECT_EQ(reader.read<std::int8_t>("b").value(), -1);
  EXPECT_EQ(reader.read<float>("c").value(), -2.5f);
  EXPECT_EQ(reader.position(), 7u);
  EXPECT_EQ(reader.read<std::uint64_t>("d").value(), 1ull << 40);
  EXPECT_EQ(reader.remaining(), 0u);
}

TEST(ByteReader, RefusesWhatIsNotThereAndStaysInPlace) {
  const RawFile file = RawFile().zeros(3);
  ByteReader reader(file.bytes(), "photo.bin");
  const auto number = reader.read<std::uint32_t>("the magic number");
  ASSERT_FALSE(number);
  EXPECT_EQ(number.error().code, ErrorCode::kInvalidFile);
  EXPECT_EQ(number.error().message, "photo.bin: the magic number needs 4 bytes at offset 0, but 3 remain");
  EXPECT_FALSE(reader.take(std::numeric_limits<std::uint64_t>::max(), "everything"));
  EXPECT_EQ(reader.position(), 0u);
  EXPECT_TRUE(reader.take(3, "the rest"));
  EXPECT_TRUE(reader.take(0, "nothing"));
  EXPECT_FALSE(reader.take(1, "one more"));
}

TEST(ByteReader, AlignsOverZerosOnly) {
  const RawFile good = RawFile().text("ab").zeros(6).text("c");
  ByteReader reader(good.bytes(), "file");
  ASSERT_TRUE(reader.align(8, "padding"));
  EXPECT_EQ(reader.position(), 0u);
  ASSERT_TRUE(reader.take(2, "ab"));
  ASSERT_TRUE(reader.align(8, "padding"));
  EXPECT_EQ(reader.position(), 8u);
  ASSERT_TRUE(reader.take(1, "c"));
  EXPECT_FALSE(reader.align(8, "padding"));  // beyond the end

  const RawFile dirty = RawFile().text("ab").zeros(5).text("x");
  ByteReader second(dirty.bytes(), "file");
  ASSERT_TRUE(second.take(2, "ab"));
  EXPECT_FALSE(second.align(8, "padding"));
}

}  // namespace
}  // namespace bitmar
