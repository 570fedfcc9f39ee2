#include "model/attention_rows.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>
#include <vector>

#include "base/random.h"
#include "kernels/ops.h"
#include "kernels/test_support.h"

namespace bitmar {
namespace {

using Floats = std::vector<float>;

Floats random_floats(Random& random, std::size_t count, double scale) {
  Floats values(count);
  for (float& value : values) value = static_cast<float>(scale * random.normal());
  return values;
}

QuantizedActivations quantized_heads(std::span<const float> values, std::size_t width) {
  QuantizedActivations result;
  quantize_activations(scalar_kernels(), {values, values.size() / width, width}, result);
  return result;
}

AttentionRows rows_of(const Kernels& kernels, std::size_t heads, std::size_t width, const Floats& keys,
                      const Floats& values) {
  const std::size_t count = keys.size() / (heads * width);
  AttentionRows rows(kernels, heads, width, count);
  const QuantizedActivations key_codes = quantized_heads(keys, width);
  const QuantizedActivations value_codes = quantized_heads(values, width);
  for (std::size_t row = 0; row < count; ++row) rows.put(row, key_codes, value_codes, row);
  return rows;
}

Floats attend_to(const Kernels& kernels, const AttentionRows& rows, const QuantizedActivations& query,
                 std::size_t width, std::size_t head, std::vector<std::pair<std::size_t, std::size_t>> pieces) {
  std::vector<AttentionRange> ranges;
  for (const auto& [begin, end] : pieces) {
    AttentionRange& range = ranges.emplace_back(rows.range(head, begin, end));
    range.query = query.codes(head).data();
    range.query_scale = query.inverse_scale(head) / std::sqrt(static_cast<float>(width));
  }
  AlignedBuffer<float> scratch(rows.rows() + 64);
  Floats out(width);
  attend(kernels, ranges, scratch.span(), out);
  return out;
}

bool same_bits(const Floats& a, const Floats& b) {
  return std::ranges::equal(a, b, {}, std::bit_cast<std::uint32_t, float>, std::bit_cast<std::uint32_t, float>);
}

class Attend : public ::testing::TestWithParam<const Kernels*> {
 protected:
  const Kernels& kernels_ = *GetParam();
};

// In double on the values that the codes stand for.
TEST_P(Attend, IsSoftmaxAttentionOnTheDequantizedRows) {
  Random random(1);
  for (const std::size_t width : {2u, 6u, 16u, 20u, 32u, 40u, 64u}) {
    for (const std::size_t count : {1u, 2u, 15u, 16u, 17u, 65u, 300u}) {
      constexpr std::size_t kHeads = 2;
      const AttentionRows rows = rows_of(kernels_, kHeads, width, random_floats(random, count * kHeads * width, 2.0),
                                         random_floats(random, count * kHeads * width, 1.0));
      const Floats query = random_floats(random, kHeads * width, 1.0);
      const QuantizedActivations codes = quantized_heads(query, width);
      for (std::size_t head = 0; head < kHeads; ++head) {
        const std::size_t begin = count / 3;
        const Floats out = attend_to(kernels_, rows, codes, width, head, {{begin, count}});
        std::vector<double> scores;
        for (std::size_t row = begin; row < count; ++row) {
          double score = 0;
          for (std::size_t i = 0; i < width; ++i) {
            score += static_cast<double>(rows.key(head, row, i)) * codes.codes(head)[i] * codes.inverse_scale(head);
          }
          scores.push_back(score / std::sqrt(static_cast<double>(width)));
        }
        const double largest = *std::ranges::max_element(scores);
        double sum = 0;
        for (double& score : scores) sum += score = std::exp(score - largest);
        double largest_value = 0;
        for (std::size_t row = begin; row < count; ++row) {
          for (std::size_t i = 0; i < width; ++i) {
            largest_value = std::max(largest_value, std::fabs(static_cast<double>(rows.value(head, row, i))));
          }
        }
        for (std::size_t i = 0; i < width; ++i) {
          double expected = 0;
          for (std::size_t row = begin; row < count; ++row) {
            expected += scores[row - begin] / sum * rows.value(head, row, i);
          }
          // A score is off by 3 roundings of its size, which the exponential multiplies; the exponential, the sum, the
          // weights' rounding to 23 bits and the last products add theirs: all far below 2e-5 of the largest value.
          ASSERT_NEAR(out[i], expected, 2e-5 * largest_value) << width << " " << count;
        }
      }
    }
  }
}

TEST_P(Attend, GivesTheBitsOfTheReferenceOnAnyRanges) {
  Random random(2);
  for (const std::size_t width : {4u, 16u, 24u, 32u, 64u}) {
    const Floats keys = random_floats(random, 200 * width, 3.0);
    const Floats values = random_floats(random, 200 * width, 1.0);
    const QuantizedActivations query = quantized_heads(random_floats(random, width, 1.0), width);
    for (int trial = 0; trial < 50; ++trial) {
      std::vector<std::pair<std::size_t, std::size_t>> pieces;
      for (std::size_t i = 0; i < 1 + random.below(3); ++i) {
        const auto begin = static_cast<std::size_t>(random.below(200));
        pieces.emplace_back(begin, begin + 1 + static_cast<std::size_t>(random.below(200 - begin)));
      }
      const auto run = [&](const Kernels& kernels) {
        const AttentionRows rows = rows_of(kernels, 1, width, keys, values);
        std::vector<AttentionRange> ranges;
        for (const auto& [begin, end] : pieces) {
          AttentionRange& range = ranges.emplace_back(rows.range(0, begin, end));
          range.query = query.codes(0).data();
          range.query_scale = query.inverse_scale(0) * 0.3f;
        }
        AlignedBuffer<float> scratch(3 * (rows.rows() + kAttentionBlock));
        Floats out(width);
        attend(kernels, ranges, scratch.span(), out);
        return out;
      };
      ASSERT_TRUE(same_bits(run(kernels_), run(scalar_kernels()))) << width << " " << trial;
    }
  }
}

// All keys and all values equal: every weight is the largest and every code 127, so that sums of 32 bits would
// overflow.
TEST_P(Attend, DoesNotOverflowOnALongUniformRow) {
  constexpr std::size_t kWidth = 32;
  constexpr std::size_t kRows = 5000;
  const QuantizedActivations query = quantized_heads(Floats(kWidth, 1.0f), kWidth);
  const auto run = [&](const Kernels& kernels) {
    const AttentionRows rows = rows_of(kernels, 1, kWidth, Floats(kRows * kWidth, 1.0f), Floats(kRows * kWidth, -0.7f));
    return attend_to(kernels, rows, query, kWidth, 0, {{0, kRows}});
  };
  const Floats out = run(kernels_);
  for (const float value : out) EXPECT_NEAR(value, -0.7f, 1e-5f);
  EXPECT_TRUE(same_bits(out, run(scalar_kernels())));
}

// One key that outweighs the others by any power of two, so that their weights have three digits, two, one or none.
TEST_P(Attend, GivesTheBitsOfTheReferenceWhereOneRowHasMostOfTheWeight) {
  Random random(4);
  constexpr std::size_t kRows = 100;
  for (const std::size_t width : {16u, 32u, 64u}) {
    for (int power = 0; power < 30; ++power) {
      Floats keys = random_floats(random, kRows * width, 0.05);
      const Floats values = random_floats(random, kRows * width, 1.0);
      const Floats query(width, 1.0f);
      const auto peak = static_cast<std::size_t>(random.below(kRows));
      for (std::size_t i = 0; i < width; ++i) {
        keys[peak * width + i] = static_cast<float>(power) * 0.6931f / std::sqrt(static_cast<float>(width));
      }
      const QuantizedActivations codes = quantized_heads(query, width);
      const auto run = [&](const Kernels& kernels) {
        return attend_to(kernels, rows_of(kernels, 1, width, keys, values), codes, width, 0, {{0, kRows}});
      };
      ASSERT_TRUE(same_bits(run(kernels_), run(scalar_kernels()))) << width << " " << power;
    }
  }
}

TEST_P(Attend, ZeroValuesGiveZero) {
  const AttentionRows rows = rows_of(kernels_, 1, 16, Floats(20 * 16, 1.0f), Floats(20 * 16, 0.0f));
  const QuantizedActivations query = quantized_heads(Floats(16, 0.0f), 16);
  EXPECT_EQ(attend_to(kernels_, rows, query, 16, 0, {{0, 20}}), Floats(16, 0.0f));
}

INSTANTIATE_TEST_SUITE_P(Isa, Attend, ::testing::ValuesIn(available_kernels().begin(), available_kernels().end()),
                         isa_test_name);

TEST(AttentionRows, RowsOfTheRangeAreThoseThatWerePut) {
  Random random(3);
  const Floats keys = random_floats(random, 40 * 3 * 10, 1.0);
  const Floats values = random_floats(random, 40 * 3 * 10, 1.0);
  const AttentionRows rows = rows_of(scalar_kernels(), 3, 10, keys, values);
  AttentionRows copy(scalar_kernels(), 3, 10, 100);
  copy.copy_first(rows, 40);
  for (std::size_t row = 0; row < 40; ++row) {
    for (std::size_t head = 0; head < 3; ++head) {
      for (std::size_t i = 0; i < 10; ++i) {
        const std::size_t at = (row * 3 + head) * 10 + i;
        // Half a 127th of the largest of the head.
        EXPECT_NEAR(rows.key(head, row, i), keys[at], 4.0 / 127);
        EXPECT_NEAR(rows.value(head, row, i), values[at], 4.0 / 127);
        EXPECT_EQ(copy.key(head, row, i), rows.key(head, row, i));
        EXPECT_EQ(copy.value(head, row, i), rows.value(head, row, i));
      }
    }
  }
}

}  // namespace
}  // namespace bitmar
