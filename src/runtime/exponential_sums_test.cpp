#include "runtime/exponential_sums.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "base/random.h"

namespace bitmar {
namespace {

std::vector<float> random_logits(std::size_t count, std::uint64_t seed) {
  Random random(seed);
  std::vector<float> logits(count);
  for (float& logit : logits) logit = static_cast<float>(-std::abs(8.0 * random.normal()));
  return logits;
}

TEST(ExponentialSums, EqualTheSumsOfTheLibrarysExponential) {
  for (const std::size_t count : {0u, 1u, 15u, 16u, 17u, 1000u}) {
    for (const double rate : {0.01, 1.0, 1.25, 7.0}) {
      const auto logits = random_logits(count, 1);
      ExponentialSums expected;
      for (const float logit : logits) {
        const double weight = std::exp((double{logit} - 1.5) * rate);
        expected.all += weight;
        expected.above += logit > -4.0f ? weight : 0.0;
      }
      const ExponentialSums sums = exponential_sums(logits, {1.5f, rate}, -4.0f);
      EXPECT_NEAR(sums.all, expected.all, 1e-12 * expected.all);
      EXPECT_NEAR(sums.above, expected.above, 1e-12 * expected.above);
    }
  }
}

TEST(ExponentialSums, TinyWeightsAreNoTrouble) {
  const float infinity = std::numeric_limits<float>::infinity();
  const std::vector<float> logits = {0.0f, -infinity, -1e30f, -2000.0f};
  for (const double rate : {1.0, 1e30}) {
    EXPECT_NEAR(exponential_sums(logits, {0.0f, rate}, -1.0f).all, 1.0, 1e-12);
    const ExponentialSums rough = rough_exponential_sums(logits, {0.0f, rate}, -1.0f);
    EXPECT_GE(rough.above, 1.0);
    EXPECT_LE(rough.all, kRoughOver);
  }
}

TEST(RoughExponentials, StayWithinTheirBounds) {
  Random random(2);
  for (const double rate : {0.01, 1.0, 1.0 / 0.7, 50.0}) {
    std::vector<float> logits(20000);
    for (float& logit : logits) logit = static_cast<float>(3.0 - 80.0 * random.uniform() / rate);
    std::vector<float> weights(logits.size());
    const SoftmaxScale scale{3.0f, rate};
    rough_exponentials(logits, scale, weights);
    double largest_ratio = 0;
    for (std::size_t i = 0; i < logits.size(); ++i) {
      const double ratio = double{weights[i]} / std::exp((double{logits[i]} - 3.0) * rate);
      ASSERT_GE(ratio, kRoughUnder) << logits[i];
      ASSERT_LE(ratio, kRoughOver) << logits[i];
      largest_ratio = std::max(largest_ratio, ratio);
    }
    EXPECT_GT(largest_ratio, 1.06);  // the bound is no looser than it must be
    const ExponentialSums rough = rough_exponential_sums(logits, scale, 2.0f);
    const ExponentialSums exact = exponential_sums(logits, scale, 2.0f);
    for (const auto& [sum, true_sum] : {std::pair(rough.all, exact.all), std::pair(rough.above, exact.above)}) {
      EXPECT_GE(sum, kRoughUnder * true_sum);
      EXPECT_LE(sum, kRoughOver * true_sum);
    }
  }
}

}  // namespace
}  // namespace bitmar
