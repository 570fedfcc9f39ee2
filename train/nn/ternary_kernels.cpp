#include "nn/ternary_kernels.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>

#include "nn/rounding.h"

namespace bitmar {
namespace {

constexpr float kCodeMaximum = 127.0f;

BFloat16Bits to_bfloat16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  return static_cast<BFloat16Bits>((bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16);
}

float to_float(BFloat16Bits value) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(value) << 16);
}

// exp(x) for x in [-1e9, 0], relative error below 3e-7; 0 below -88. 2^n by the exponent's bits, 2^f by its Taylor
// series. The only limit is one of integers: with one of floats GCC leaves the loop around it scalar, at a quarter of the
// speed.
float exponential(float x) {
  constexpr float kLog2E = 1.44269504f;
  const float t = x * kLog2E;
  const float n = std::rint(t);
  const float f = (t - n) * 0.693147181f;
  float series = 1.0f / 720.0f;
  series = series * f + 1.0f / 120.0f;
  series = series * f + 1.0f / 24.0f;
  series = series * f + 1.0f / 6.0f;
  series = series * f + 0.5f;
  series = series * f + 1.0f;
  series = series * f + 1.0f;
  return series * std::bit_cast<float>(std::max(static_cast<std::int32_t>(n) + 127, 0) << 23);
}

}  // namespace

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

void widen_rows(std::span<const BFloat16Bits> values, std::span<const float> factors, std::span<float> out) {
  const std::size_t columns = out.size() / std::max<std::size_t>(1, factors.size());
  for (std::size_t row = 0; row < factors.size(); ++row) {
    const BFloat16Bits* from = values.data() + row * columns;
    float* to = out.data() + row * columns;
    const float factor = factors[row];
    for (std::size_t i = 0; i < columns; ++i) to[i] = to_float(from[i]) * factor;
  }
}

SoftmaxRow softmax_row(std::span<const std::int32_t> products, float scale, std::span<const float> offsets,
                       std::span<float> logits, std::span<BFloat16Bits> weights) {
  const std::size_t columns = products.size();
  std::array<float, kLanes> largest;
  largest.fill(-std::numeric_limits<float>::infinity());
  if (offsets.empty()) {
    for (std::size_t i = 0; i < columns; ++i) logits[i] = static_cast<float>(products[i]) * scale;
  } else {
    for (std::size_t i = 0; i < columns; ++i) logits[i] = static_cast<float>(products[i]) * scale + offsets[i];
  }
  std::size_t i = 0;
  for (; i + kLanes <= columns; i += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      largest[lane] = logits[i + lane] > largest[lane] ? logits[i + lane] : largest[lane];
    }
  }
  float maximum = *std::ranges::max_element(largest);
  for (; i < columns; ++i) maximum = std::max(maximum, logits[i]);

  std::array<float, kLanes> sums{};
  for (i = 0; i + kLanes <= columns; i += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      const float weight = exponential(logits[i + lane] - maximum);
      sums[lane] += weight;
      weights[i + lane] = to_bfloat16(weight);
    }
  }
  float sum = 0.0f;
  for (const float lane : sums) sum += lane;
  for (; i < columns; ++i) {
    const float weight = exponential(logits[i] - maximum);
    sum += weight;
    weights[i] = to_bfloat16(weight);
  }
  return {maximum + std::log(sum), sum};
}

}  // namespace bitmar
