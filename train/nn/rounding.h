// What the quantizers share: the largest magnitude of a row, and rounding with a limit. For files that are compiled
// with vector instructions; everything is local to them.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>

namespace bitmar {
namespace {

constexpr std::size_t kLanes = 16;  // independent accumulators: two AVX2 registers

// `a > b ? a : b` is the machine's own maximum; std::max is not, where NaNs are honoured.
[[gnu::always_inline]] inline float maximum_magnitude(const float* values, std::size_t count) {
  std::array<float, kLanes> lanes{};
  std::size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      const float magnitude = std::fabs(values[i + lane]);
      lanes[lane] = magnitude > lanes[lane] ? magnitude : lanes[lane];
    }
  }
  float maximum = 0.0f;
  for (const float lane : lanes) maximum = lane > maximum ? lane : maximum;
  for (; i < count; ++i) maximum = std::fabs(values[i]) > maximum ? std::fabs(values[i]) : maximum;
  return maximum;
}

// Rounds half to even, then clips to [-limit, limit].
[[gnu::always_inline]] inline float round_and_clip(float value, float limit) {
  const float rounded = std::rint(value);
  const float above = rounded > -limit ? rounded : -limit;
  return above < limit ? above : limit;
}

}  // namespace
}  // namespace bitmar
