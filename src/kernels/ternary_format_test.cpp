#include "kernels/ternary_format.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "base/random.h"

namespace bitmar {
namespace {

std::vector<std::int8_t> random_codes(std::size_t count, Random& random) {
  std::vector<std::int8_t> codes(count);
  for (auto& code : codes) code = static_cast<std::int8_t>(static_cast<int>(random.below(3)) - 1);
  return codes;
}

std::vector<std::uint8_t> packed(const std::vector<std::int8_t>& codes) {
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(ternary_packed_size(codes.size())));
  ternary_pack(codes, bytes);
  return bytes;
}

TEST(TernaryFormat, PacksTheDocumentedExample) {
  // 2 + 0·3 + 1·9 + 2·27 + 1·81 = 146; then 0 + 2·3 and three unused digits of 1: 6 + 9 + 27 + 81 = 123.
  EXPECT_EQ(packed({1, -1, 0, 1, 0, -1, 1}), (std::vector<std::uint8_t>{146, 123}));
  EXPECT_EQ(packed({-1, -1, -1, -1, -1}), std::vector<std::uint8_t>{0});
  EXPECT_EQ(packed({0, 0, 0, 0, 0}), std::vector<std::uint8_t>{121});
  EXPECT_EQ(packed({1, 1, 1, 1, 1}), std::vector<std::uint8_t>{242});
}

TEST(TernaryFormat, SizesAreFiveAByteRoundedUp) {
  EXPECT_EQ(ternary_packed_size(0), 0u);
  EXPECT_EQ(ternary_packed_size(1), 1u);
  EXPECT_EQ(ternary_packed_size(5), 1u);
  EXPECT_EQ(ternary_packed_size(6), 2u);
  EXPECT_EQ(ternary_packed_size(std::numeric_limits<std::uint64_t>::max()), 3689348814741910323u);
}

TEST(TernaryFormat, RoundTripsEveryLength) {
  Random random(1);
  for (std::size_t count = 0; count <= 40; ++count) {
    const auto codes = random_codes(count, random);
    std::vector<std::int8_t> back(count, 7);
    ASSERT_TRUE(ternary_unpack(packed(codes), back, "w"));
    EXPECT_EQ(back, codes);
  }
}

TEST(TernaryFormat, EveryByteIsRefusedOrRoundTrips) {
  for (unsigned value = 0; value < 256; ++value) {
    const std::vector<std::uint8_t> bytes = {static_cast<std::uint8_t>(value)};
    std::vector<std::int8_t> codes(5);
    const auto unpacked = ternary_unpack(bytes, codes, "w");
    ASSERT_EQ(unpacked.has_value(), value <= 242) << value;
    if (unpacked) {
      EXPECT_EQ(packed(codes), bytes);
    }
  }
}

TEST(TernaryFormat, UnpacksAnyPartAlone) {
  Random random(3);
  const auto codes = random_codes(43, random);
  const auto bytes = packed(codes);
  for (std::size_t first = 0; first < codes.size(); first += 5) {
    for (std::size_t last = first; last <= codes.size(); last = last + 5 > codes.size() ? last + 1 : last + 5) {
      if (last % 5 != 0 && last != codes.size()) continue;
      std::vector<std::int8_t> part(last - first, 7);
      ASSERT_TRUE(ternary_unpack_part(bytes, first, part, "w"));
      EXPECT_TRUE(std::equal(part.begin(), part.end(), codes.begin() + static_cast<std::ptrdiff_t>(first)));
    }
  }
  std::vector<std::int8_t> part(10);
  const auto bad = ternary_unpack_part(std::vector<std::uint8_t>{255, 0, 0, 250}, 10, part, "w");
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().message, "w: byte 3 is 250; five ternary values are at most 242");
}

TEST(TernaryFormat, NamesTheByteThatIsWrong) {
  std::vector<std::int8_t> codes(7);
  const auto high = ternary_unpack(std::vector<std::uint8_t>{0, 243}, codes, "output.weight");
  ASSERT_FALSE(high);
  EXPECT_EQ(high.error().code, ErrorCode::kInvalidFile);
  EXPECT_EQ(high.error().message, "output.weight: byte 1 is 243; five ternary values are at most 242");
  const auto padding = ternary_unpack(std::vector<std::uint8_t>{0, 6}, codes, "output.weight");
  ASSERT_FALSE(padding);
  EXPECT_NE(padding.error().message.find("unused digits"), std::string::npos);
}

TEST(TernaryQuantize, EqualsTheFormulaOfRoundHalfEven) {
  Random random(2);
  constexpr float kScale = 0.037f;
  std::vector<float> weights = {0.0f, -0.0f};
  for (const float multiple : {0.5f, 1.0f, 1.5f, 2.5f, 1e30f}) {
    for (const float sign : {-1.0f, 1.0f}) {
      const float weight = sign * multiple * kScale;
      weights.insert(weights.end(), {weight, std::nextafter(weight, 0.0f), std::nextafter(weight, sign * INFINITY)});
    }
  }
  while (weights.size() < 10'000) weights.push_back(static_cast<float>(random.normal()) * kScale);
  std::vector<std::int8_t> codes(weights.size());
  ternary_quantize(weights, kScale, codes);
  for (std::size_t i = 0; i < weights.size(); ++i) {
    EXPECT_EQ(codes[i], std::clamp(std::nearbyint(weights[i] / kScale), -1.0f, 1.0f)) << weights[i];
  }
}

TEST(TernaryQuantize, RoundsHalfToEven) {
  const std::vector<float> weights = {-2.0f, -1.0f, -0.5f, 0.5f, std::nextafter(0.5f, 1.0f), 1.5f};
  std::vector<std::int8_t> codes(weights.size());
  ternary_quantize(weights, 1.0f, codes);
  EXPECT_EQ(codes, (std::vector<std::int8_t>{-1, -1, 0, 0, 1, 1}));
}

}  // namespace
}  // namespace bitmar
