#include "base/random.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstdint>

namespace bitmar {
namespace {

TEST(Random, FollowsThePublishedXoshiro256StarStar) {
  // The reference implementation's first outputs from state {1, 2, 3, 4}.
  Random random(Random::State{1, 2, 3, 4});
  EXPECT_EQ(random.next(), 11520u);
  EXPECT_EQ(random.next(), 0u);
  EXPECT_EQ(random.next(), 1509978240u);
  EXPECT_EQ(random.next(), 1215971899390074240u);
}

TEST(Random, SeedsBySplitmix64) {
  // The first outputs of splitmix64 from seed 0 (Vigna's reference values).
  const Random random(0);
  EXPECT_EQ(random.state(),
            (Random::State{0xE220A8397B1DCDAFu, 0x6E789E6AA1B965F4u, 0x06C45D188009454Fu, 0xF88BB8A8724C81ECu}));
}

TEST(Random, StateRestoresTheSequence) {
  Random first(42);
  for (int i = 0; i < 10; ++i) first.next();
  Random second(first.state());
  for (int i = 0; i < 100; ++i) EXPECT_EQ(first.next(), second.next());
}

TEST(Random, BelowStaysBelowAndIsUniform) {
  Random random(7);
  EXPECT_EQ(random.below(1), 0u);
  constexpr std::size_t kBound = 6;
  constexpr int kDraws = 60000;
  std::array<int, kBound> counts{};
  for (int i = 0; i < kDraws; ++i) {
    const auto value = static_cast<std::size_t>(random.below(kBound));
    ASSERT_LT(value, kBound);
    ++counts[value];
  }
  const double expected = static_cast<double>(kDraws) / kBound;
  const double deviation = std::sqrt(expected * (1.0 - 1.0 / kBound));
  for (const int count : counts) EXPECT_NEAR(count, expected, 5 * deviation);
}

TEST(Random, UniformAndNormalHaveTheirMoments) {
  Random random(11);
  constexpr int kDraws = 100000;
  double uniform_sum = 0;
  double normal_sum = 0;
  double normal_squares = 0;
  for (int i = 0; i < kDraws; ++i) {
    const double uniform = random.uniform();
    ASSERT_GE(uniform, 0.0);
    ASSERT_LT(uniform, 1.0);
    uniform_sum += uniform;
    const double normal = random.normal();
    normal_sum += normal;
    normal_squares += normal * normal;
  }
  // Five standard errors: of a uniform mean sqrt(1/12n), of a normal mean sqrt(1/n), of its second moment sqrt(2/n).
  EXPECT_NEAR(uniform_sum / kDraws, 0.5, 5 * std::sqrt(1.0 / 12 / kDraws));
  EXPECT_NEAR(normal_sum / kDraws, 0.0, 5 * std::sqrt(1.0 / kDraws));
  EXPECT_NEAR(normal_squares / kDraws, 1.0, 5 * std::sqrt(2.0 / kDraws));
}

}  // namespace
}  // namespace bitmar
