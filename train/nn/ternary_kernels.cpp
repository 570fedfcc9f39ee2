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
// series. The only limit is one of integers: with one of floats GCC leaves the loop around it scalar, at a quarter of
// the speed.
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

namespace {

// Integers in the order of the floats, which GCC takes the maximum of in vectors; its own inverse.
std::int32_t ordered(std::int32_t bits) {
  return bits ^ ((bits >> 31) & std::numeric_limits<std::int32_t>::max());
}

// The largest of logit(0) … logit(count - 1).
template <typename Logit>
float largest(const Logit& logit, std::size_t count) {
  std::int32_t found = std::numeric_limits<std::int32_t>::min();
  for (std::size_t i = 0; i < count; ++i) found = std::max(found, ordered(std::bit_cast<std::int32_t>(logit(i))));
  return std::bit_cast<float>(ordered(found));
}

// exp(logit(i) - maximum) in BF16, and their sum.
template <typename Logit>
float exponentials(const Logit& logit, float maximum, std::span<BFloat16Bits> weights) {
  std::array<float, kLanes> sums{};
  std::size_t i = 0;
  for (; i + kLanes <= weights.size(); i += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      const float weight = exponential(logit(i + lane) - maximum);
      sums[lane] += weight;
      weights[i + lane] = to_bfloat16(weight);
    }
  }
  float sum = 0.0f;
  for (const float lane : sums) sum += lane;
  for (; i < weights.size(); ++i) {
    const float weight = exponential(logit(i) - maximum);
    sum += weight;
    weights[i] = to_bfloat16(weight);
  }
  return sum;
}

}  // namespace

SoftmaxRow softmax_row(std::span<const std::int32_t> products, float scale, std::span<const float> offsets,
                       std::span<BFloat16Bits> weights) {
  const auto row = [&](const auto& logit) {
    const float maximum = largest(logit, products.size());
    const float sum = exponentials(logit, maximum, weights);
    return SoftmaxRow{maximum + std::log(sum), sum};
  };
  if (offsets.empty()) return row([&](std::size_t i) { return static_cast<float>(products[i]) * scale; });
  return row([&](std::size_t i) { return static_cast<float>(products[i]) * scale + offsets[i]; });
}

}  // namespace bitmar
