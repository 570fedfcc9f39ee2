#include "nn/quantizer_kernels.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "base/float16.h"
#include "nn/rounding.h"

namespace bitmar {
namespace {

constexpr float kActivationMaximum = 127.0f;

}  // namespace

void quantize_token(std::span<const float> x, float range, std::span<float> y) {
  const float scale = range / maximum_magnitude(x.data(), x.size());
  if (!(scale <= std::numeric_limits<float>::max())) {  // nothing but zeros
    std::ranges::fill(y, 0.0f);
    return;
  }
  for (std::size_t i = 0; i < x.size(); ++i) y[i] = round_and_clip(x[i] * scale, kActivationMaximum) / scale;
}

void rotate_head(std::span<const float> x, std::span<const float> cosine, std::span<const float> sine, float direction,
                 std::span<float> y) {
  const std::size_t half = x.size() / 2;
  for (std::size_t i = 0; i < half; ++i) {
    const float a = x[i], b = x[half + i], s = direction * sine[i];
    y[i] = a * cosine[i] - b * s;
    y[half + i] = a * s + b * cosine[i];
  }
}

void quantize_ternary(std::span<const float> weight, float scale, std::span<float> y) {
  for (std::size_t i = 0; i < weight.size(); ++i) y[i] = round_and_clip(weight[i] / scale, 1.0f) * scale;
}

void quantize_int8_row(std::span<const float> w, std::span<float> y) {
  const float scale = half_to_float(float_to_half(maximum_magnitude(w.data(), w.size()) / 127.0f));
  if (scale == 0.0f) {
    std::ranges::fill(y, 0.0f);
    return;
  }
  for (std::size_t i = 0; i < w.size(); ++i) y[i] = round_and_clip(w[i] / scale, 127.0f) * scale;
}

double scale_gradient_sum(std::span<const float> gradient, std::span<const float> weight, float scale) {
  std::array<float, kLanes> lanes{};
  const auto slope = [&](std::size_t i) {
    const float ratio = weight[i] / scale;
    const float inside = std::rint(ratio) - ratio;
    const float outside = ratio > 0.0f ? 1.0f : -1.0f;
    return gradient[i] * (std::fabs(ratio) <= 1.0f ? inside : outside);
  };
  std::size_t i = 0;
  for (; i + kLanes <= weight.size(); i += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) lanes[lane] += slope(i + lane);
  }
  double sum = 0.0;
  for (const float lane : lanes) sum += static_cast<double>(lane);
  for (; i < weight.size(); ++i) sum += static_cast<double>(slope(i));
  return sum;
}

}  // namespace bitmar
