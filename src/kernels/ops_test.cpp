#include "kernels/ops.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "base/random.h"
#include "kernels/test_support.h"

namespace bitmar {
namespace {

using Floats = std::vector<float>;

constexpr double kUnit = 0x1p-24;  // the relative error of one rounding

Floats random_floats(Random& random, std::size_t count, double scale = 1.0) {
  Floats values(count);
  for (float& value : values) value = static_cast<float>(scale * random.normal());
  return values;
}

std::vector<std::uint32_t> bits(const Floats& values) {
  std::vector<std::uint32_t> words(values.size());
  std::transform(values.begin(), values.end(), words.begin(), [](float v) { return std::bit_cast<std::uint32_t>(v); });
  return words;
}

class Ops : public ::testing::TestWithParam<const Kernels*> {
 protected:
  const Kernels& kernels_ = *GetParam();
};

TEST_P(Ops, LayerNormMatchesTheDefinition) {
  Random random(1);
  for (const std::size_t d : {1u, 3u, 8u, 31u, 32u, 33u, 100u, 128u, 512u, 768u}) {
    for (const double offset : {0.0, 10.0}) {
      const std::size_t tokens = 3;
      Floats x = random_floats(random, tokens * d);
      for (float& value : x) value += static_cast<float>(offset);
      const Floats gain = random_floats(random, d);
      const Floats bias = random_floats(random, d);
      for (const bool with_bias : {false, true}) {
        Floats out(x.size());
        constexpr float kEpsilon = 1e-5f;
        layer_norm(kernels_, {x, tokens, d}, gain, with_bias ? std::span<const float>(bias) : std::span<const float>{},
                   kEpsilon, {out, tokens, d});
        for (std::size_t t = 0; t < tokens; ++t) {
          double mean = 0;
          double magnitude = 0;
          for (std::size_t i = 0; i < d; ++i) {
            mean += x[t * d + i];
            magnitude += std::fabs(x[t * d + i]);
          }
          mean /= static_cast<double>(d);
          double variance = 0;
          for (std::size_t i = 0; i < d; ++i) variance += (x[t * d + i] - mean) * (x[t * d + i] - mean);
          variance /= static_cast<double>(d);
          const double deviation = std::sqrt(variance + kEpsilon);
          // The mean is off by at most d roundings of its terms, which shifts every value; the variance, a sum of
          // squares, has a relative error of d + 4 roundings, halved by the root; then five more.
          const double mean_error = (static_cast<double>(d) + 1) * kUnit * magnitude / static_cast<double>(d);
          for (std::size_t i = 0; i < d; ++i) {
            const double normalised = (x[t * d + i] - mean) / deviation;
            const double expected = normalised * gain[i] + (with_bias ? bias[i] : 0.0);
            const double tolerance =
                std::fabs(gain[i]) *
                    (2 * mean_error / deviation + std::fabs(normalised) * (static_cast<double>(d) / 2 + 7) * kUnit) +
                std::fabs(expected) * kUnit;
            ASSERT_NEAR(out[t * d + i], expected, tolerance) << d << " " << i;
          }
        }
      }
    }
  }
}

TEST_P(Ops, GeluIsTheErfFormWithin2e7OfItsInput) {
  Floats x;
  for (double value = -20.0; value <= 20.0; value += 0.00097) x.push_back(static_cast<float>(value));
  for (const float value : {0.0f, 1e-30f, -1e-30f, 1e30f, -1e30f, 1e-3f, -1e-3f}) x.push_back(value);
  Floats out(x.size());
  gelu(kernels_, x, out);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double expected = 0.5 * x[i] * std::erfc(-x[i] / std::sqrt(2.0));
    ASSERT_NEAR(out[i], expected, 2e-7 * std::fabs(x[i])) << x[i];
  }
}

TEST_P(Ops, SiluMatchesTheDefinition) {
  Floats x;
  for (double value = -80.0; value <= 80.0; value += 0.0037) x.push_back(static_cast<float>(value));
  Floats out(x.size());
  silu(kernels_, x, out);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double expected = x[i] / (1.0 + std::exp(-static_cast<double>(x[i])));
    // The exponential within 2 units in the last place (4 roundings), the sum and the quotient one each; its smallest
    // normal value, 2^-126, bounds the rest.
    ASSERT_NEAR(out[i], expected, 6 * kUnit * std::fabs(expected) + 80 * 0x1p-126) << x[i];
  }
}

TEST_P(Ops, SiluAndGeluSaturateWithoutNaN) {
  Floats x{-1000.0f, 1000.0f, -std::numeric_limits<float>::max(), std::numeric_limits<float>::max()};
  for (const auto function : {gelu, silu}) {
    Floats out(x.size());
    function(kernels_, x, out);
    for (std::size_t i = 0; i < x.size(); ++i) {
      EXPECT_TRUE(std::isfinite(out[i])) << x[i];
      if (x[i] > 0) {
        EXPECT_EQ(out[i], x[i]);
      } else {
        EXPECT_NEAR(out[i], 0.0, 8.0);  // silu(-max) may stop at -max / e^88
      }
    }
  }
}

TEST_P(Ops, ElementwiseFunctionsAreExact) {
  Random random(2);
  for (std::size_t count = 0; count <= 40; ++count) {
    const Floats a = random_floats(random, count);
    const Floats b = random_floats(random, count);
    Floats out(count);
    add(kernels_, a, b, out);
    for (std::size_t i = 0; i < count; ++i) ASSERT_EQ(out[i], a[i] + b[i]);
    multiply(kernels_, a, b, out);
    for (std::size_t i = 0; i < count; ++i) ASSERT_EQ(out[i], a[i] * b[i]);
    relu(kernels_, a, out);
    for (std::size_t i = 0; i < count; ++i) ASSERT_EQ(out[i], std::max(a[i], 0.0f));
    Floats y = b;
    axpy(kernels_, 0.7f, a, y);
    for (std::size_t i = 0; i < count; ++i) {
      const double product = 0.7f * static_cast<double>(a[i]);
      ASSERT_NEAR(y[i], product + b[i], 2 * kUnit * (std::fabs(product) + std::fabs(b[i])));
    }
    std::vector<std::int8_t> codes(count);
    for (auto& code : codes) code = static_cast<std::int8_t>(static_cast<int>(random.below(256)) - 128);
    dequantize(kernels_, codes, 0.013f, out);
    for (std::size_t i = 0; i < count; ++i) ASSERT_EQ(out[i], 0.013f * codes[i]);
  }
}

TEST_P(Ops, SoftmaxMatchesTheDefinition) {
  Random random(3);
  for (const std::size_t count : {1u, 2u, 7u, 8u, 9u, 64u, 100u, 1024u}) {
    Floats values = random_floats(random, count, 5.0);
    const Floats x = values;
    const double largest = *std::max_element(x.begin(), x.end());
    double sum = 0;
    for (const float value : x) sum += std::exp(value - largest);
    softmax(kernels_, values);
    double total = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const double expected = std::exp(x[i] - largest) / sum;
      // The difference is rounded once, which the exponential multiplies by its size; the exponential itself, the sum
      // of `count` terms, its inverse and the product add their roundings.
      const double roundings = 2 * (largest - x[i]) + 4 + static_cast<double>(count) + 2 * 30 + 3;
      ASSERT_NEAR(values[i], expected, roundings * kUnit * expected);
      total += values[i];
    }
    EXPECT_NEAR(total, 1.0, (static_cast<double>(count) + 8) * kUnit);
  }
}

TEST_P(Ops, SoftmaxGivesMaskedEntriesExactlyZero) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (const std::size_t count : {2u, 9u, 17u}) {
    Floats values(count, -kInfinity);
    values[count / 2] = -3.0f;
    softmax(kernels_, values);
    for (std::size_t i = 0; i < count; ++i) EXPECT_EQ(values[i], i == count / 2 ? 1.0f : 0.0f);
  }
}

TEST_P(Ops, DotIsWithinItsRoundingBound) {
  Random random(4);
  for (const std::size_t count : {0u, 1u, 7u, 8u, 9u, 32u, 100u, 128u, 513u}) {
    const Floats a = random_floats(random, count);
    const Floats b = random_floats(random, count);
    double expected = 0;
    double magnitude = 0;
    for (std::size_t i = 0; i < count; ++i) {
      expected += double{a[i]} * b[i];
      magnitude += std::fabs(double{a[i]} * b[i]);
    }
    // Sixteen partial sums of count / 16 products, then four levels of additions.
    ASSERT_NEAR(dot(kernels_, a, b), expected, (static_cast<double>(count) / 16 + 7) * kUnit * magnitude);
  }
}

TEST_P(Ops, RowMaxIndexTakesTheLowestOfEquals) {
  Random random(7);
  for (const std::size_t count : {1u, 2u, 8u, 31u, 32u, 33u, 64u, 100u, 1000u}) {
    Floats values = random_floats(random, count);
    EXPECT_EQ(row_max_index(kernels_, values),
              static_cast<std::size_t>(std::max_element(values.begin(), values.end()) - values.begin()));
    for (const std::size_t first : {std::size_t{0}, count / 2, count - 1}) {
      Floats equal = values;
      for (std::size_t i = first; i < count; i += 3) equal[i] = 50.0f;
      EXPECT_EQ(row_max_index(kernels_, equal), first);
    }
    EXPECT_EQ(row_max_index(kernels_, Floats(count, -2.0f)), 0u);
    EXPECT_EQ(row_max_index(kernels_, Floats(count, -std::numeric_limits<float>::infinity())), 0u);
  }
}

TEST_P(Ops, RotationTurnsEveryPairByItsAngle) {
  Random random(8);
  for (const std::size_t head_width : {2u, 6u, 16u, 32u, 64u}) {
    const std::size_t half = head_width / 2;
    for (const std::uint64_t position :
         {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{1023}, std::uint64_t{100000}}) {
      Floats cosines(half);
      Floats sines(half);
      rope_angles(position, rope_frequencies(head_width, 10000.0), cosines, sines);
      const Floats x = random_floats(random, 3 * head_width);
      Floats row = x;
      rope_rotate(kernels_, row, cosines, sines);
      for (std::size_t h = 0; h < 3; ++h) {
        for (std::size_t i = 0; i < half; ++i) {
          const double angle = static_cast<double>(position) /
                               std::pow(10000.0, 2.0 * static_cast<double>(i) / static_cast<double>(head_width));
          const double a = x[h * head_width + i];
          const double b = x[h * head_width + half + i];
          // The table's rounding, two products, one sum; and the double angle, exact to position * 2^-52.
          const double tolerance =
              (std::fabs(a) + std::fabs(b)) * (3 * kUnit + static_cast<double>(position) * 0x1p-50);
          ASSERT_NEAR(row[h * head_width + i], a * std::cos(angle) - b * std::sin(angle), tolerance);
          ASSERT_NEAR(row[h * head_width + half + i], a * std::sin(angle) + b * std::cos(angle), tolerance);
        }
      }
      if (position == 0) {
        EXPECT_EQ(row, x);
      }
    }
  }
}

TEST_P(Ops, FunctionsWorkInPlace) {
  Random random(9);
  const Floats x = random_floats(random, 2 * 50);
  const Floats gain = random_floats(random, 50);
  Floats expected(x.size());
  Floats actual = x;
  layer_norm(kernels_, {x, 2, 50}, gain, {}, 1e-5f, {expected, 2, 50});
  layer_norm(kernels_, {actual, 2, 50}, gain, {}, 1e-5f, {actual, 2, 50});
  EXPECT_EQ(actual, expected);
  gelu(kernels_, x, expected);
  actual = x;
  gelu(kernels_, actual, actual);
  EXPECT_EQ(actual, expected);
}

TEST_P(Ops, EveryFunctionGivesTheBitsOfTheReference) {
  const Kernels& reference = scalar_kernels();
  Random random(10);
  for (const std::size_t count : {1u, 2u, 5u, 15u, 16u, 17u, 31u, 33u, 48u, 100u, 128u, 197u, 512u, 1000u}) {
    for (const double scale : {1e-3, 1.0, 30.0}) {
      const Floats x = random_floats(random, count, scale);
      const Floats y = random_floats(random, count);
      const auto same = [&](auto run) {
        Floats expected = y;
        Floats actual = y;
        run(reference, expected);
        run(kernels_, actual);
        return bits(actual) == bits(expected);
      };
      EXPECT_TRUE(same([&](const Kernels& k, Floats& out) { gelu(k, x, out); })) << count;
      EXPECT_TRUE(same([&](const Kernels& k, Floats& out) { silu(k, x, out); })) << count;
      EXPECT_TRUE(same([&](const Kernels& k, Floats& out) { relu(k, x, out); })) << count;
      EXPECT_TRUE(same([&](const Kernels& k, Floats& out) { axpy(k, 0.3f, x, out); })) << count;
      EXPECT_TRUE(same([&](const Kernels& k, Floats& out) {
        out = x;
        softmax(k, out);
      })) << count;
      EXPECT_TRUE(same([&](const Kernels& k, Floats& out) { out[0] = dot(k, x, y); })) << count;
      EXPECT_TRUE(same([&](const Kernels& k, Floats& out) {
        layer_norm(k, {x, 1, count}, y, x, 1e-5f, {out, 1, count});
      })) << count;
      if (count % 2 == 0) {
        EXPECT_TRUE(same([&](const Kernels& k, Floats& out) {
          rope_rotate(k, out, std::span(x).first(count / 2), std::span(x).subspan(count / 2));
        })) << count;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Isa, Ops, ::testing::ValuesIn(available_kernels().begin(), available_kernels().end()),
                         isa_test_name);

}  // namespace
}  // namespace bitmar
