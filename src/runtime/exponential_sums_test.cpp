#include "runtime/exponential_sums.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "base/random.h"
#include "kernels/test_support.h"

namespace bitmar {
namespace {

std::vector<float> falling_logits(std::size_t count, std::uint64_t seed) {
  Random random(seed);
  std::vector<float> logits(count);
  for (float& logit : logits) logit = static_cast<float>(-std::abs(8.0 * random.normal()));
  return logits;
}

class ExponentialSumsTest : public ::testing::TestWithParam<const Kernels*> {
 protected:
  const Kernels& kernels_ = *GetParam();
};

TEST_P(ExponentialSumsTest, EqualTheSumsOfTheLibrarysExponential) {
  for (const std::size_t count : {0u, 1u, 15u, 16u, 17u, 1000u}) {
    for (const double rate : {0.01, 1.0, 1.25, 7.0}) {
      const auto logits = falling_logits(count, 1);
      const float pivot = count == 0 ? 0.0f : logits.front();  // itself among those not below
      ExponentialSums expected;
      for (const float logit : logits) {
        const double weight = std::exp((double{logit} - 1.5) * rate);
        expected.all += weight;
        expected.not_below += logit >= pivot ? weight : 0.0;
      }
      const ExponentialSums sums = exponential_sums(kernels_, logits, {1.5f, rate}, pivot);
      EXPECT_NEAR(sums.all, expected.all, 1e-12 * expected.all);
      EXPECT_NEAR(sums.not_below, expected.not_below, 1e-12 * expected.not_below);
    }
  }
}

TEST_P(ExponentialSumsTest, TinyWeightsAreNoTrouble) {
  const float infinity = std::numeric_limits<float>::infinity();
  const std::vector<float> logits = {0.0f, -infinity, -1e30f, -2000.0f};
  for (const double rate : {1.0, 1e30}) {
    EXPECT_NEAR(exponential_sums(kernels_, logits, {0.0f, rate}, -1.0f).all, 1.0, 1e-12);
    const ExponentialSums rough = rough_exponential_sums(kernels_, logits, {0.0f, rate}, -1.0f);
    EXPECT_GE(rough.not_below, 1.0);
    EXPECT_LE(rough.all, kRoughOver);
  }
}

TEST_P(ExponentialSumsTest, RoughOnesStayWithinTheirBounds) {
  Random random(2);
  for (const double rate : {0.01, 1.0, 1.0 / 0.7, 50.0}) {
    std::vector<float> logits(20000);
    for (float& logit : logits) logit = static_cast<float>(3.0 - 80.0 * random.uniform() / rate);
    std::vector<float> weights(logits.size());
    const SoftmaxScale scale{3.0f, rate};
    rough_exponentials(kernels_, logits, scale, weights);
    double largest_ratio = 0;
    for (std::size_t i = 0; i < logits.size(); ++i) {
      const double ratio = double{weights[i]} / std::exp((double{logits[i]} - 3.0) * rate);
      ASSERT_GE(ratio, kRoughUnder) << logits[i];
      ASSERT_LE(ratio, kRoughOver) << logits[i];
      largest_ratio = std::max(largest_ratio, ratio);
    }
    EXPECT_GT(largest_ratio, 1.06);  // the bound is no looser than it must be
    const ExponentialSums rough = rough_exponential_sums(kernels_, logits, scale, 2.0f);
    const ExponentialSums exact = exponential_sums(kernels_, logits, scale, 2.0f);
    for (const auto& [sum, true_sum] : {std::pair(rough.all, exact.all), std::pair(rough.not_below, exact.not_below)}) {
      EXPECT_GE(sum, kRoughUnder * true_sum);
      EXPECT_LE(sum, kRoughOver * true_sum);
    }
  }
}

TEST_P(ExponentialSumsTest, HaveTheSameBitsOnEveryInstructionSet) {
  for (const std::size_t count : {0u, 1u, 16u, 31u, 33u, 64u, 1000u, 50257u}) {
    const auto logits = falling_logits(count, count);
    const SoftmaxScale scale{0.25f, 1.3};
    for (const float pivot : {-INFINITY, -9.0f, -1.0f, 0.25f}) {
      const ExponentialSums exact = exponential_sums(kernels_, logits, scale, pivot);
      const ExponentialSums rough = rough_exponential_sums(kernels_, logits, scale, pivot);
      const ExponentialSums exact_reference = exponential_sums(scalar_kernels(), logits, scale, pivot);
      const ExponentialSums rough_reference = rough_exponential_sums(scalar_kernels(), logits, scale, pivot);
      EXPECT_EQ(exact.all, exact_reference.all) << count;
      EXPECT_EQ(exact.not_below, exact_reference.not_below) << count;
      EXPECT_EQ(rough.all, rough_reference.all) << count;
      EXPECT_EQ(rough.not_below, rough_reference.not_below) << count;
    }
    std::vector<float> weights(count);
    std::vector<float> reference(count);
    rough_exponentials(kernels_, logits, scale, weights);
    rough_exponentials(scalar_kernels(), logits, scale, reference);
    EXPECT_EQ(weights, reference) << count;
  }
}

INSTANTIATE_TEST_SUITE_P(Isa, ExponentialSumsTest,
                         ::testing::ValuesIn(available_kernels().begin(), available_kernels().end()), isa_test_name);

}  // namespace
}  // namespace bitmar
