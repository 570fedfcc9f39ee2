#include "optim/block_quantizer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "base/random.h"

namespace bitmar {
namespace {

std::vector<float> samples(std::size_t count, bool with_sign) {
  Random random(7);
  std::vector<float> values(count);
  for (float& value : values) {
    value = static_cast<float>(std::exp(-12.0 * random.uniform()));  // over five decades
    if (with_sign && random.below(2) == 1) value = -value;
  }
  return values;
}

// Distance to the nearest level, by trying all.
float nearest_distance(std::span<const float> levels, float value) {
  float best = INFINITY;
  for (const float level : levels) best = std::min(best, std::fabs(level - value));
  return best;
}

TEST(BlockQuantizer, LevelsRiseAndIncludeZeroAndOne) {
  for (const auto levels : {signed_levels(), unsigned_levels()}) {
    ASSERT_EQ(levels.size(), 256u);
    EXPECT_TRUE(std::ranges::is_sorted(levels));
    EXPECT_EQ(std::ranges::adjacent_find(levels), levels.end());
    EXPECT_EQ(levels.back(), 1.0f);
  }
  EXPECT_EQ(signed_levels()[kSignedZero], 0.0f);
  EXPECT_EQ(unsigned_levels()[0], 0.0f);
  // The top decade of the unsigned levels has 128 intervals: the last midpoint is 1 - 0.9 / 256.
  EXPECT_FLOAT_EQ(unsigned_levels()[254], 1.0f - 0.9f / 256.0f);
  EXPECT_FLOAT_EQ(signed_levels()[254], 1.0f - 0.9f / 128.0f);
}

TEST(BlockQuantizer, CodesAreTheNearestLevels) {
  std::vector<float> values = samples(kQuantizationBlock, true);
  values[0] = 1.0f;  // so that the scale is 1
  std::vector<std::uint8_t> codes(values.size());
  EXPECT_EQ(quantize_signed(values, codes), 1.0f);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const float distance = std::fabs(signed_levels()[codes[i]] - values[i]);
    // A halfway point is rounded once: half an ulp of it decides between two levels that are equally near.
    EXPECT_LE(distance, nearest_distance(signed_levels(), values[i]) + 0x1p-24f * std::fabs(values[i])) << values[i];
  }
  values = samples(kQuantizationBlock, false);
  values[0] = 1.0f;
  EXPECT_EQ(quantize_unsigned(values, codes), 1.0f);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const float distance = std::fabs(unsigned_levels()[codes[i]] - values[i]);
    EXPECT_LE(distance, nearest_distance(unsigned_levels(), values[i]) + 0x1p-24f * values[i]) << values[i];
  }
}

TEST(BlockQuantizer, EveryLevelSurvives) {
  std::vector<float> values(256);
  std::vector<std::uint8_t> codes(256);
  std::iota(codes.begin(), codes.end(), std::uint8_t{0});
  dequantize_signed(codes, 0.5f, values);
  const std::vector<std::uint8_t> expected = codes;
  EXPECT_EQ(quantize_signed(values, codes), 0.5f);
  EXPECT_EQ(codes, expected);
  dequantize_unsigned(expected, 4.0f, values);
  EXPECT_EQ(quantize_unsigned(values, codes), 4.0f);
  EXPECT_EQ(codes, expected);
}

TEST(BlockQuantizer, ZerosStayZeroAndPositiveStaysPositive) {
  std::vector<float> values(5, 0.0f);
  std::vector<std::uint8_t> codes(5, 9);
  EXPECT_EQ(quantize_signed(values, codes), 0.0f);
  EXPECT_EQ(codes, std::vector<std::uint8_t>(5, kSignedZero));
  EXPECT_EQ(quantize_unsigned(values, codes), 0.0f);
  EXPECT_EQ(codes, std::vector<std::uint8_t>(5, 0));
  values = {1.0f, 1e-30f, 0.0f, 1e-9f, 1e-6f};
  quantize_unsigned(values, codes);
  EXPECT_EQ(codes[2], 0);
  for (const std::size_t i : {1u, 3u, 4u}) EXPECT_GT(codes[i], 0);
}

TEST(BlockQuantizer, InfinitiesTakeTheLargestCodes) {
  const std::vector<float> values = {INFINITY, -INFINITY, 1.0f};
  std::vector<std::uint8_t> codes(3);
  EXPECT_EQ(quantize_signed(values, codes), INFINITY);
  EXPECT_EQ(codes[2], kSignedZero);  // 1 / infinity
}

}  // namespace
}  // namespace bitmar
