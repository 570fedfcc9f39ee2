#include "kernels/linear.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "base/random.h"
#include "kernels/ternary_format.h"
#include "kernels/test_support.h"

namespace bitmar {
namespace {

using Codes = std::vector<std::int8_t>;
using Floats = std::vector<float>;

std::vector<std::uint32_t> bits(const Floats& values) {
  std::vector<std::uint32_t> words(values.size());
  std::transform(values.begin(), values.end(), words.begin(), [](float v) { return std::bit_cast<std::uint32_t>(v); });
  return words;
}

Codes random_codes(Random& random, std::size_t count, int limit) {
  Codes codes(count);
  for (auto& code : codes) {
    code = static_cast<std::int8_t>(static_cast<int>(random.below(static_cast<std::uint64_t>(2 * limit + 1))) - limit);
  }
  return codes;
}

Floats random_floats(Random& random, std::size_t count) {
  Floats values(count);
  for (float& value : values) value = static_cast<float>(random.normal());
  return values;
}

// Activations that quantize to exactly `codes`: the scale is a power of two, and each row's first code is made 127.
Floats activations_of(Codes& codes, std::size_t tokens, std::size_t columns) {
  Floats x(codes.size());
  for (std::size_t t = 0; t < tokens && columns > 0; ++t) codes[t * columns] = 127;
  std::transform(codes.begin(), codes.end(), x.begin(), [](std::int8_t code) { return 0.5f * code; });
  return x;
}

// float(sum) * (row scale * inverse scale) + bias, from the definition, the sum in 64 bits.
Floats expected_product(const Codes& weights, const Codes& x, const Floats& scales, const Floats& bias,
                        std::size_t tokens, std::size_t columns) {
  const std::size_t rows = scales.size();
  Floats out(tokens * rows);
  for (std::size_t t = 0; t < tokens; ++t) {
    for (std::size_t r = 0; r < rows; ++r) {
      std::int64_t sum = 0;
      for (std::size_t c = 0; c < columns; ++c) sum += std::int64_t{weights[r * columns + c]} * x[t * columns + c];
      const float inverse_scale = columns == 0 ? 0.0f : 0.5f;
      out[t * rows + r] = static_cast<float>(sum) * (scales[r] * inverse_scale) + bias[r];
    }
  }
  return out;
}

class Linear : public ::testing::TestWithParam<const Kernels*> {
 protected:
  const Kernels& kernels_ = *GetParam();

  template <typename Matrix>
  Floats apply(const Matrix& matrix, const Floats& x, std::size_t tokens, ThreadPool* pool = nullptr) {
    Floats out(tokens * matrix.rows(), std::numeric_limits<float>::quiet_NaN());
    if constexpr (std::is_same_v<Matrix, FloatLinear>) {
      matrix.apply({x, tokens, matrix.columns()}, {out, tokens, matrix.rows()}, pool);
    } else {
      QuantizedActivations quantized;
      quantize_activations(kernels_, {x, tokens, matrix.columns()}, quantized);
      matrix.apply(quantized, {out, tokens, matrix.rows()}, pool);
    }
    return out;
  }

  void expect_exact(const Codes& ternary, const Codes& int8, Codes x_codes, std::size_t rows, std::size_t columns,
                    std::size_t tokens, bool with_bias = true) {
    SCOPED_TRACE(std::string(kernels_.name) + " " + std::to_string(rows) + "x" + std::to_string(columns) + " tokens " +
                 std::to_string(tokens));
    const Floats x = activations_of(x_codes, tokens, columns);
    Floats scales(rows);
    Floats bias(rows);
    for (std::size_t r = 0; r < rows; ++r) {
      scales[r] = 0.01f + 0.003f * static_cast<float>(r % 7);
      bias[r] = with_bias ? static_cast<float>(r % 5) - 1.7f : 0.0f;
    }
    const std::span<const float> given_bias = with_bias ? std::span<const float>(bias) : std::span<const float>();
    const TernaryLinear ternary_linear(kernels_, ternary, rows, columns, 0.37f, given_bias);
    ASSERT_EQ(bits(apply(ternary_linear, x, tokens)),
              bits(expected_product(ternary, x_codes, Floats(rows, 0.37f), bias, tokens, columns)));
    const Int8Linear int8_linear(kernels_, int8, rows, columns, scales, given_bias);
    ASSERT_EQ(bits(apply(int8_linear, x, tokens)),
              bits(expected_product(int8, x_codes, scales, bias, tokens, columns)));
  }
};

TEST_P(Linear, SumsAreExactAtEverySizeAroundTheBlocks) {
  Random random(1);
  for (const std::size_t rows : {0u, 1u, 7u, 8u, 9u, 15u, 16u, 17u, 31u, 32u, 33u, 65u}) {
    for (const std::size_t columns : {0u, 1u, 3u, 4u, 5u, 31u, 32u, 33u, 127u, 128u, 129u, 255u, 257u, 513u}) {
      for (const std::size_t tokens : {0u, 1u, 2u, 3u, 7u}) {
        expect_exact(random_codes(random, rows * columns, 1), random_codes(random, rows * columns, 127),
                     random_codes(random, tokens * columns, 127), rows, columns, tokens);
      }
    }
  }
}

TEST_P(Linear, HalfTheLargestOfAHeadIsNoTie) {
  // Integers times any scale, as a projection gives them: the quotient's rounding decides nothing.
  for (int step = 1; step < 200; ++step) {
    const float scale = 0.001f * static_cast<float>(step) * 1.234567f;
    const Floats head{254.0f * scale, 127.0f * scale, -127.0f * scale, 0.0f};
    QuantizedActivations codes;
    quantize_heads(kernels_, {head, 1, 4}, codes);
    EXPECT_EQ(std::vector<int>(codes.codes(0).begin(), codes.codes(0).end()), (std::vector<int>{127, 63, -63, 0}));
    EXPECT_NEAR(codes.inverse_scale(0) * kHeadRange, head[0], 1e-6f * head[0]);
  }
}

TEST_P(Linear, IndexOfMaxIsTheLowestRowOfTheLargestOutput) {
  Random random(11);
  const Kernels& kernels = kernels_;
  for (const std::size_t rows : {1u, 16u, 17u, 63u, 64u, 65u, 1023u, 1024u, 1025u, 3000u}) {
    for (const std::size_t columns : {1u, 8u, 128u}) {
      // One column has many equal outputs, and rows beyond the last would win where all are negative.
      for (const int limit : {1, 127}) {
        Codes codes = random_codes(random, rows * columns, 1);
        if (limit == 127) std::ranges::fill(codes, std::int8_t{-1});
        const TernaryLinear matrix(kernels, codes, rows, columns, 0.3f);
        std::vector<float> x(columns);
        for (float& value : x) value = limit == 127 ? 1.0f : static_cast<float>(random.normal());
        QuantizedActivations quantized;
        quantize_activations(kernels, {x, 1, columns}, quantized);
        std::vector<float> out(rows);
        matrix.apply(quantized, {out, 1, rows}, nullptr);
        const auto expected = static_cast<std::size_t>(std::ranges::max_element(out) - out.begin());
        for (const std::size_t threads : {1u, 3u}) {
          ThreadPool pool(threads);
          ASSERT_EQ(matrix.index_of_max(quantized, &pool), expected) << rows << "x" << columns;
        }
      }
    }
  }
}

// What packing a matrix a block at a time relies on.
TEST_P(Linear, RowsPackGranuleAfterGranule) {
  Random random(4);
  for (const std::size_t columns : {1u, 33u, 128u, 200u}) {
    const std::size_t rows = 3 * kernels_.row_granule + 5;
    const Codes codes = random_codes(random, rows * columns, 1);
    std::vector<std::uint8_t> whole(kernels_.ternary_packed_bytes(rows, columns));
    std::vector<std::uint8_t> blocks(whole.size());
    AlignedBuffer<std::uint8_t> packed(whole.size());
    kernels_.ternary_pack(codes.data(), rows, columns, packed.data());
    std::copy(packed.span().begin(), packed.span().end(), whole.begin());
    std::fill(packed.span().begin(), packed.span().end(), std::uint8_t{0xEE});
    for (std::size_t row = 0; row < rows; row += kernels_.row_granule) {
      kernels_.ternary_pack(codes.data() + row * columns, std::min(kernels_.row_granule, rows - row), columns,
                            packed.data() + kernels_.ternary_packed_bytes(row, columns));
    }
    std::copy(packed.span().begin(), packed.span().end(), blocks.begin());
    EXPECT_EQ(whole, blocks) << columns;
  }
}

TEST_P(Linear, CanonicalBytesGiveTheSameMatrix) {
  Random random(5);
  for (const std::size_t columns : {0u, 1u, 7u, 128u, 129u, 768u}) {
    for (const std::size_t rows : {0u, 1u, 31u, 161u, 1283u}) {
      const Codes codes = random_codes(random, rows * columns, 1);
      std::vector<std::uint8_t> canonical(static_cast<std::size_t>(ternary_packed_size(codes.size())));
      ternary_pack(codes, canonical);
      const Floats bias = random_floats(random, rows);
      const Floats x = random_floats(random, 2 * columns);
      const auto unpacked = TernaryLinear::from_canonical(kernels_, canonical, rows, columns, 0.7f, bias, "w");
      ASSERT_TRUE(unpacked);
      EXPECT_EQ(bits(apply(*unpacked, x, 2)),
                bits(apply(TernaryLinear(kernels_, codes, rows, columns, 0.7f, bias), x, 2)))
          << rows << " x " << columns;
      if (canonical.size() < 2) continue;
      canonical[canonical.size() - 2] = 243;
      const auto bad = TernaryLinear::from_canonical(kernels_, canonical, rows, columns, 0.7f, bias, "w");
      ASSERT_FALSE(bad);
      EXPECT_EQ(bad.error().message,
                "w: byte " + std::to_string(canonical.size() - 2) + " is 243; five ternary values are at most 242");
    }
  }
}

TEST_P(Linear, SumsAreExactForEveryBatch) {
  Random random(2);
  for (std::size_t tokens = 1; tokens <= 20; ++tokens) {
    for (const std::size_t columns : {128u, 511u, 512u, 1040u}) {
      expect_exact(random_codes(random, 40 * columns, 1), random_codes(random, 40 * columns, 127),
                   random_codes(random, tokens * columns, 127), 40, columns, tokens);
    }
  }
}

TEST_P(Linear, SumsAreExactInLargeBatchesWithoutBias) {
  Random random(3);
  for (const std::size_t tokens : {1u, 2u, 3u, 5u, 6u, 95u, 96u, 97u, 201u}) {
    for (const std::size_t rows : {64u, 127u, 160u, 290u, 577u}) {
      for (const std::size_t columns : {37u, 544u}) {
        expect_exact(random_codes(random, rows * columns, 1), random_codes(random, rows * columns, 127),
                     random_codes(random, tokens * columns, 127), rows, columns, tokens, false);
      }
    }
  }
}

TEST_P(Linear, SumsAreExactAtTheExtremes) {
  for (const std::size_t columns : {128u, 256u, 512u, 1024u, 3072u}) {
    for (const std::size_t tokens : {1u, 2u, 6u}) {
      for (const int ternary : {-1, 0, 1}) {
        for (const int x : {-127, 0, 127}) {
          const auto fill = [](std::size_t count, int code) { return Codes(count, static_cast<std::int8_t>(code)); };
          expect_exact(fill(33 * columns, ternary), fill(33 * columns, 127 * ternary), fill(tokens * columns, x), 33,
                       columns, tokens);
          expect_exact(fill(33 * columns, ternary), fill(33 * columns, 127 * ternary), fill(tokens * columns, x), 33,
                       columns, tokens, false);
        }
      }
    }
  }
}

TEST_P(Linear, AlternatingSignsDoNotSaturate) {
  constexpr std::size_t kColumns = 512;
  Codes ternary(32 * kColumns);
  Codes int8(32 * kColumns);
  Codes x(2 * kColumns);
  for (std::size_t i = 0; i < ternary.size(); ++i) {
    const int sign = (i / 2) % 2 == 0 ? 1 : -1;  // one 16-bit half of a lane only positive, the other only negative
    ternary[i] = static_cast<std::int8_t>(sign);
    int8[i] = static_cast<std::int8_t>(127 * sign);
  }
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = (i / 2) % 2 == 0 ? std::int8_t{127} : std::int8_t{-127};
  expect_exact(ternary, int8, x, 32, kColumns, 2);
}

TEST_P(Linear, FloatProductIsWithinItsRoundingBound) {
  Random random(3);
  for (const std::size_t rows : {1u, 15u, 16u, 17u, 64u, 83u}) {
    for (const std::size_t columns : {1u, 5u, 192u, 255u, 256u, 257u, 600u}) {
      for (const std::size_t tokens : {1u, 2u, 5u, 6u, 7u, 13u}) {
        const Floats weights = random_floats(random, rows * columns);
        const Floats x = random_floats(random, tokens * columns);
        const Floats bias = random_floats(random, rows);
        const FloatLinear linear(kernels_, weights, rows, columns, bias);
        const Floats out = apply(linear, x, tokens);
        for (std::size_t t = 0; t < tokens; ++t) {
          for (std::size_t r = 0; r < rows; ++r) {
            double sum = bias[r];
            double magnitude = std::fabs(bias[r]);
            for (std::size_t c = 0; c < columns; ++c) {
              const double product = double{weights[r * columns + c]} * x[t * columns + c];
              sum += product;
              magnitude += std::fabs(product);
            }
            // A chain of n products and n additions: at most (n + 1) roundings on any term (Higham 2002, section 3.1).
            ASSERT_NEAR(out[t * rows + r], sum, static_cast<double>(columns + 2) * 0x1p-24 * magnitude);
          }
        }
      }
    }
  }
}

TEST_P(Linear, EveryTokenOfABatchEqualsThatTokenAloneForAnyThreadCount) {
  Random random(4);
  constexpr std::size_t kRows = 1003;
  constexpr std::size_t kColumns = 300;
  constexpr std::size_t kTokens = 9;
  const Codes int8 = random_codes(random, kRows * kColumns, 127);
  const Floats weights = random_floats(random, kRows * kColumns);
  const Floats x = random_floats(random, kTokens * kColumns);
  const Floats scales(kRows, 0.02f);
  const TernaryLinear ternary(kernels_, random_codes(random, kRows * kColumns, 1), kRows, kColumns, 0.1f);
  const Int8Linear int8_linear(kernels_, int8, kRows, kColumns, scales);
  const FloatLinear float_linear(kernels_, weights, kRows, kColumns);

  const auto check = [&](const auto& matrix) {
    const Floats together = apply(matrix, x, kTokens);
    for (const std::size_t threads : {1u, 2u, 4u}) {
      ThreadPool pool(threads);
      ASSERT_EQ(bits(apply(matrix, x, kTokens, &pool)), bits(together)) << threads << " threads";
      for (std::size_t t = 0; t < kTokens; ++t) {
        const Floats one(x.begin() + static_cast<std::ptrdiff_t>(t * kColumns),
                         x.begin() + static_cast<std::ptrdiff_t>((t + 1) * kColumns));
        const Floats expected(together.begin() + static_cast<std::ptrdiff_t>(t * kRows),
                              together.begin() + static_cast<std::ptrdiff_t>((t + 1) * kRows));
        ASSERT_EQ(bits(apply(matrix, one, 1, &pool)), bits(expected)) << threads << " threads, token " << t;
      }
    }
  };
  check(ternary);
  check(int8_linear);
  check(float_linear);
}

TEST_P(Linear, QuantizationFollowsItsDefinition) {
  Random random(5);
  for (const std::size_t columns : {1u, 2u, 31u, 32u, 33u, 128u, 130u, 511u}) {
    Floats x = random_floats(random, 3 * columns);
    for (std::size_t c = 0; c < columns; ++c) {
      x[columns + c] = 0.0f;
      // Halves, exactly: the row's scale is 2 for a maximum of 63.5.
      x[2 * columns + c] = c == 0 ? -63.5f : 0.25f * static_cast<float>(random.below(400)) - 50.0f;
    }
    QuantizedActivations quantized;
    quantize_activations(kernels_, {x, 3, columns}, quantized);
    for (std::size_t t = 0; t < 3; ++t) {
      float largest = 0.0f;
      for (std::size_t c = 0; c < columns; ++c) largest = std::max(largest, std::fabs(x[t * columns + c]));
      EXPECT_EQ(quantized.inverse_scale(t), largest / 127.0f);
      const float scale = largest == 0.0f ? 0.0f : 127.0f / largest;
      for (std::size_t c = 0; c < columns; ++c) {
        const float rounded = std::nearbyint(x[t * columns + c] * scale);
        ASSERT_EQ(quantized.codes(t)[c], static_cast<int>(std::clamp(rounded, -127.0f, 127.0f))) << t << " " << c;
      }
    }
  }
}

TEST_P(Linear, QuantizationIsTheSameOnEveryInstructionSet) {
  Random random(6);
  for (const float magnitude : {1.0f, 1e-30f, 1e-37f, 1e-41f, 1e30f, 3e38f}) {
    for (const std::size_t columns : {5u, 128u, 200u, 768u}) {
      Floats x(4 * columns);
      for (float& value : x) value = magnitude * static_cast<float>(2.0 * random.uniform() - 1.0);
      QuantizedActivations expected;
      QuantizedActivations actual;
      quantize_activations(scalar_kernels(), {x, 4, columns}, expected);
      quantize_activations(kernels_, {x, 4, columns}, actual);
      for (std::size_t t = 0; t < 4; ++t) {
        EXPECT_EQ(actual.inverse_scale(t), expected.inverse_scale(t));
        ASSERT_TRUE(std::ranges::equal(actual.codes(t), expected.codes(t))) << magnitude << " " << columns;
      }
      const std::size_t sums = 4 * 2 * sum_blocks(expected.rows().stride);
      ASSERT_TRUE(std::equal(actual.rows().column_sums, actual.rows().column_sums + sums, expected.rows().column_sums));
    }
  }
}

TEST_P(Linear, ZeroActivationsGiveTheBiasAlone) {
  Random random(7);
  const TernaryLinear linear(kernels_, random_codes(random, 3 * 64, 1), 3, 64, 0.5f, Floats{1.0f, 2.0f, 3.0f});
  EXPECT_EQ(apply(linear, Floats(64, 0.0f), 1), (Floats{1.0f, 2.0f, 3.0f}));
}

TEST_P(Linear, QuantizedActivationsDoNotReallocateWithinTheirCapacity) {
  QuantizedActivations quantized(8, 512);
  const std::int8_t* memory = quantized.rows().codes;
  Random random(8);
  for (const std::size_t tokens : {8u, 1u, 5u}) {
    quantize_activations(kernels_, {random_floats(random, tokens * 300), tokens, 300}, quantized);
    EXPECT_EQ(quantized.rows().codes, memory);
    EXPECT_EQ(quantized.tokens(), tokens);
  }
}

TEST_P(Linear, MovedMatricesKeepWorking) {
  Random random(9);
  const Floats x = random_floats(random, 64);
  TernaryLinear first(kernels_, random_codes(random, 5 * 64, 1), 5, 64, 0.5f);
  const Floats expected = apply(first, x, 1);
  const TernaryLinear second = std::move(first);
  EXPECT_EQ(apply(second, x, 1), expected);
}

INSTANTIATE_TEST_SUITE_P(Isa, Linear, ::testing::ValuesIn(available_kernels().begin(), available_kernels().end()),
                         isa_test_name);

}  // namespace
}  // namespace bitmar
