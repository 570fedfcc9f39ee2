#include "nn/ternary_kernels.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <numbers>

#include "nn/power_of_two.h"
#include "nn/rounding.h"

namespace bitmar {
namespace {

// Functions whose loops are also compiled for wider vectors, chosen when the program is loaded. What they call must be
// inlined: a function of its own is compiled for the file's vectors only.
#if defined(__x86_64__) && defined(__GLIBC__) && !defined(__clang__)
#define BITMAR_WIDE_VECTORS __attribute__((target_clones("avx512f", "default")))
#else
#define BITMAR_WIDE_VECTORS
#endif

constexpr float kCodeMaximum = 127.0f;
constexpr float kLog2E = std::numbers::log2e_v<float>;

[[gnu::always_inline]] inline BFloat16Bits to_bfloat16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  return static_cast<BFloat16Bits>((bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16);
}

[[gnu::always_inline]] inline float to_float(BFloat16Bits value) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(value) << 16);
}

}  // namespace

BITMAR_WIDE_VECTORS
void quantize_rows(std::span<const float> x, std::size_t columns, std::span<std::int8_t> codes,
                   std::span<float> inverse) {
  for (std::size_t row = 0; row < inverse.size(); ++row) {
    const float* from = x.data() + row * columns;
    std::int8_t* to = codes.data() + row * columns;
    const float scale = kCodeMaximum / maximum_magnitude(from, columns);
    if (!(scale <= std::numeric_limits<float>::max())) {  // nothing but zeros
      std::fill_n(to, columns, std::int8_t{0});
      inverse[row] = 1.0f;
      continue;
    }
    inverse[row] = 1.0f / scale;
    for (std::size_t i = 0; i < columns; ++i) {
      to[i] = static_cast<std::int8_t>(static_cast<std::int32_t>(round_and_clip(from[i] * scale, kCodeMaximum)));
    }
  }
}

void ternary_codes(std::span<const float> weight, float scale, std::span<std::int8_t> codes) {
  for (std::size_t i = 0; i < codes.size(); ++i) {
    codes[i] = static_cast<std::int8_t>(static_cast<std::int32_t>(round_and_clip(weight[i] / scale, 1.0f)));
  }
}

BITMAR_WIDE_VECTORS
void scale_products(std::span<const std::int32_t> products, std::span<const float> inverse,
                    std::span<const float> scales, std::span<float> y) {
  const std::size_t columns = y.size() / std::max<std::size_t>(1, inverse.size());
  const std::size_t group = columns / scales.size();
  for (std::size_t row = 0; row < inverse.size(); ++row) {
    for (std::size_t g = 0; g < scales.size(); ++g) {
      const float factor = inverse[row] * scales[g];
      const std::int32_t* from = products.data() + row * columns + g * group;
      float* to = y.data() + row * columns + g * group;
      for (std::size_t i = 0; i < group; ++i) to[i] = static_cast<float>(from[i]) * factor;
    }
  }
}

BITMAR_WIDE_VECTORS
void scale_gradient_rows(std::span<const float> gradient, std::span<const float> inverse, std::span<const float> scales,
                         std::span<BFloat16Bits> out) {
  const std::size_t columns = out.size() / std::max<std::size_t>(1, inverse.size());
  const std::size_t group = columns / scales.size();
  for (std::size_t row = 0; row < inverse.size(); ++row) {
    for (std::size_t g = 0; g < scales.size(); ++g) {
      const float factor = inverse[row] * scales[g];
      const float* from = gradient.data() + row * columns + g * group;
      BFloat16Bits* to = out.data() + row * columns + g * group;
      for (std::size_t i = 0; i < group; ++i) to[i] = to_bfloat16(from[i] * factor);
    }
  }
}

BITMAR_WIDE_VECTORS
void widen_rows(std::span<const BFloat16Bits> values, std::span<const float> factors, std::span<float> out) {
  const std::size_t columns = out.size() / std::max<std::size_t>(1, factors.size());
  for (std::size_t row = 0; row < factors.size(); ++row) {
    const BFloat16Bits* from = values.data() + row * columns;
    float* to = out.data() + row * columns;
    const float factor = factors[row];
    for (std::size_t i = 0; i < columns; ++i) to[i] = to_float(from[i]) * factor;
  }
}

BITMAR_WIDE_VECTORS
void add_rows(std::span<const BFloat16Bits> values, std::span<float> out) {
  for (std::size_t i = 0; i < out.size(); ++i) out[i] += to_float(values[i]);
}

namespace {

// Integers in the order of the floats, which GCC takes the maximum of in vectors; its own inverse.
[[gnu::always_inline]] inline std::int32_t ordered(std::int32_t bits) {
  return bits ^ ((bits >> 31) & std::numeric_limits<std::int32_t>::max());
}

// The largest of product(i) * scale + offsets[i] over i < count; scale > 0.
template <typename Product>
[[gnu::always_inline]] inline float largest_logit(const Product& product, std::size_t count, float scale,
                                                  std::span<const float> offsets) {
  std::int32_t found = std::numeric_limits<std::int32_t>::min();
  if (offsets.empty()) {
    for (std::size_t i = 0; i < count; ++i) found = std::max(found, product(i));
    return static_cast<float>(found) * scale;
  }
  for (std::size_t i = 0; i < count; ++i) {
    const float logit = static_cast<float>(product(i)) * scale + offsets[i];
    found = std::max(found, ordered(std::bit_cast<std::int32_t>(logit)));
  }
  return std::bit_cast<float>(ordered(found));
}

// 2^logit(i) in BF16, and their sum. logit: to the base of two, at most 0 but for its rounding.
template <typename Logit>
[[gnu::always_inline]] inline float exponentials(const Logit& logit, std::span<BFloat16Bits> weights) {
  std::array<float, kLanes> sums{};
  std::size_t i = 0;
  for (; i + kLanes <= weights.size(); i += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      const float weight = power_of_two(logit(i + lane));
      sums[lane] += weight;
      weights[i + lane] = to_bfloat16(weight);
    }
  }
  float sum = 0.0f;
  for (const float lane : sums) sum += lane;
  for (; i < weights.size(); ++i) {
    const float weight = power_of_two(logit(i));
    sum += weight;
    weights[i] = to_bfloat16(weight);
  }
  return sum;
}

template <typename Product>
[[gnu::always_inline]] inline SoftmaxRow softmax(const Product& product, float scale, std::span<const float> offsets,
                                                 std::span<BFloat16Bits> weights) {
  const float maximum = largest_logit(product, weights.size(), scale, offsets);
  const float factor = scale * kLog2E;  // to the base of two
  const float top = maximum * kLog2E;
  const float sum =
      offsets.empty()
          ? exponentials([&](std::size_t i) { return static_cast<float>(product(i)) * factor - top; }, weights)
          : exponentials(
                [&](std::size_t i) { return static_cast<float>(product(i)) * factor + (offsets[i] * kLog2E - top); },
                weights);
  return {maximum + std::log(sum), sum};
}

}  // namespace

BITMAR_WIDE_VECTORS
SoftmaxRow softmax_row(std::span<const std::int32_t> products, float scale, std::span<const float> offsets,
                       std::span<BFloat16Bits> weights) {
  return softmax([&](std::size_t i) { return products[i]; }, scale, offsets, weights);
}

BITMAR_WIDE_VECTORS
SoftmaxRow softmax_row_in_place(std::span<BFloat16Bits> row, float scale, std::span<const float> offsets) {
  return softmax([&](std::size_t i) { return std::int32_t{static_cast<std::int16_t>(row[i])}; }, scale, offsets, row);
}

}  // namespace bitmar
