#include "nn/ternary_kernels.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <random>
#include <vector>

namespace bitmar {
namespace {

TEST(SoftmaxRow, EqualsExponentialsInDoublePrecision) {
  std::mt19937 generator(3);
  std::uniform_int_distribution<std::int32_t> product(-16000, 16000);
  for (const std::size_t columns : {1, 15, 16, 17, 31, 33, 1000}) {
    for (const bool with_offsets : {false, true}) {
      std::vector<std::int32_t> products(columns);
      for (auto& value : products) value = product(generator);
      std::vector<float> offsets(with_offsets ? columns : 0);
      for (std::size_t i = 0; i < offsets.size(); ++i) offsets[i] = 0.25f * static_cast<float>(i % 5);
      constexpr float kScale = 0.004f;  // logits within 64 of 0: weights down to exp(-128) = 0
      std::vector<BFloat16Bits> weights(columns);
      const SoftmaxRow row = softmax_row(products, kScale, offsets, weights);

      std::vector<double> expected(columns);
      double maximum = -1e30;
      for (std::size_t i = 0; i < columns; ++i) {
        expected[i] = static_cast<double>(products[i]) * static_cast<double>(kScale);
        if (with_offsets) expected[i] += static_cast<double>(offsets[i]);
        maximum = std::max(maximum, expected[i]);
      }
      double sum = 0;
      for (std::size_t i = 0; i < columns; ++i) {
        const double weight = std::exp(expected[i] - maximum);
        sum += weight;
        const auto found = std::bit_cast<float>(static_cast<std::uint32_t>(weights[i]) << 16);
        // FP32 logits up to 65 are 4e-6 off at most, BF16 rounds by 2^-8; subnormal weights are 0.
        EXPECT_NEAR(static_cast<double>(found), weight, weight * 0x1.02p-8 + 1e-37) << columns << " columns, " << i;
      }
      EXPECT_NEAR(static_cast<double>(row.sum), sum, sum * 2e-5);
      EXPECT_NEAR(static_cast<double>(row.log_partition), maximum + std::log(sum), 2e-5);
    }
  }
}

TEST(SoftmaxRow, InPlaceGivesTheSameBits) {
  std::mt19937 generator(4);
  std::uniform_int_distribution<std::int32_t> product(-16000, 16000);
  for (const std::size_t columns : {1, 16, 33, 1000}) {
    for (const bool with_offsets : {false, true}) {
      std::vector<std::int32_t> products(columns);
      std::vector<BFloat16Bits> weights(columns), row(columns);
      for (std::size_t i = 0; i < columns; ++i) {
        products[i] = product(generator);
        row[i] = static_cast<BFloat16Bits>(products[i]);
      }
      const std::vector<float> offsets(with_offsets ? columns : 0, -0.5f);
      const SoftmaxRow expected = softmax_row(products, 0.002f, offsets, weights);
      const SoftmaxRow found = softmax_row_in_place(row, 0.002f, offsets);
      EXPECT_EQ(row, weights) << columns;
      EXPECT_EQ(found.sum, expected.sum) << columns;
      EXPECT_EQ(found.log_partition, expected.log_partition) << columns;
    }
  }
}

TEST(SoftmaxRow, FindsTheLargestAmongNegativeLogits) {
  const std::vector<std::int32_t> products = {-7, -3, -5};
  std::vector<BFloat16Bits> weights(products.size());
  const SoftmaxRow plain = softmax_row(products, 1.0f, {}, weights);
  EXPECT_NEAR(plain.log_partition, -3 + std::log1p(std::exp(-2) + std::exp(-4)), 1e-6);
  const std::vector<float> offsets = {10.0f, 0.0f, 0.0f};
  const SoftmaxRow row = softmax_row(products, 1.0f, offsets, weights);
  EXPECT_NEAR(row.log_partition, 3 + std::log1p(std::exp(-6) + std::exp(-8)), 1e-6);
  EXPECT_EQ(weights[0], 0x3F80u);  // 1
}

TEST(SoftmaxRow, FarBelowTheMaximumIsNothing) {
  const std::vector<std::int32_t> products = {0, -100000, -2000000, -90, -87};
  std::vector<BFloat16Bits> weights(products.size());
  const SoftmaxRow row = softmax_row(products, 1.0f, {}, weights);
  EXPECT_EQ(weights[0], 0x3F80u);  // 1
  EXPECT_EQ(weights[1], 0u);
  EXPECT_EQ(weights[2], 0u);
  EXPECT_EQ(weights[3], 0u);
  EXPECT_GT(weights[4], 0u);
  EXPECT_EQ(row.sum, 1.0f);
  EXPECT_EQ(row.log_partition, 0.0f);
}

}  // namespace
}  // namespace bitmar
