#include "base/checked.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <limits>
#include <vector>

namespace bitmar {
namespace {

constexpr std::uint64_t kMaximum = std::numeric_limits<std::uint64_t>::max();

TEST(Checked, SmallTypesDoNotEscapeThroughPromotion) {
  for (unsigned a = 0; a < 256; ++a) {
    for (unsigned b = 0; b < 256; ++b) {
      const auto product = checked_multiply(static_cast<std::uint8_t>(a), static_cast<std::uint8_t>(b));
      ASSERT_EQ(product.has_value(), a * b < 256);
      if (product) {
        ASSERT_EQ(*product, a * b);
      }
    }
  }
}

TEST(Checked, ProductOfManyFactors) {
  EXPECT_EQ(checked_product(std::vector<std::uint64_t>{}), 1u);
  EXPECT_EQ(checked_product(std::array<std::uint32_t, 3>{2, 3, 7}), 42u);
  EXPECT_EQ(checked_product(std::array<std::uint64_t, 2>{1u << 31, std::uint64_t{1} << 33}), std::nullopt);
  EXPECT_EQ(checked_product(std::array<std::uint64_t, 3>{0, kMaximum, kMaximum}), 0u);
}

TEST(Checked, CastKeepsOnlyWhatFits) {
  EXPECT_EQ((checked_cast<std::int8_t>(127)), std::int8_t{127});
  EXPECT_EQ((checked_cast<std::int8_t>(128)), std::nullopt);
  EXPECT_EQ((checked_cast<std::uint32_t>(-1)), std::nullopt);
  EXPECT_EQ((checked_cast<std::int64_t>(kMaximum)), std::nullopt);
  EXPECT_EQ((checked_cast<std::uint64_t>(std::int64_t{5})), std::uint64_t{5});
}

}  // namespace
}  // namespace bitmar
