// The portable reference of the kernels on rows of floats: lane_kernels.h in loops. For scalar.cpp only.
#pragma once

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "kernels/kernel_table.h"

namespace bitmar {
namespace {

constexpr std::size_t kLanes = 16;

std::size_t padded(std::size_t count, std::size_t multiple) {
  return (count + multiple - 1) / multiple * multiple;
}

float quantize_row(const float* x, std::size_t columns, std::size_t stride, float range, std::int8_t* codes) {
  float largest = 0.0f;
  for (std::size_t c = 0; c < columns; ++c) largest = std::fabs(x[c]) > largest ? std::fabs(x[c]) : largest;
  const float scale = range / largest;
  const bool usable = scale <= FLT_MAX;  // not where largest is 0 or too small
  // Adding and subtracting 1.5 * 2^23 rounds half to even: the sum has no bits left below the units.
  constexpr float kRounder = 12582912.0f;
  for (std::size_t c = 0; c < stride; ++c) {
    float value = usable && c < columns ? x[c] * scale : 0.0f;
    value = value > -127.0f ? value : -127.0f;  // also turns what is not a number into a number
    value = value < 127.0f ? value : 127.0f;
    codes[c] = static_cast<std::int8_t>((value + kRounder) - kRounder);
  }
  return usable ? largest / range : 0.0f;
}

void quantize_rows(const float* x, std::size_t rows, std::size_t columns, std::size_t stride, std::int8_t* codes,
                   float* inverse_scales, std::int16_t* column_sums) {
  for (std::size_t row = 0; row < rows; ++row, codes += stride) {
    inverse_scales[row] = quantize_row(x + row * columns, columns, stride, 127.0f, codes);
    for (std::size_t first = 0; first < stride; first += kSumColumns) {
      int sums[2] = {0, 0};
      for (std::size_t c = first; c < stride && c < first + kSumColumns; ++c) sums[c / 2 % 2] += codes[c];
      *column_sums++ = static_cast<std::int16_t>(sums[0]);
      *column_sums++ = static_cast<std::int16_t>(sums[1]);
    }
  }
}

void quantize_heads(const float* x, std::size_t rows, std::size_t columns, std::size_t stride, std::int8_t* codes,
                    float* inverse_scales) {
  for (std::size_t row = 0; row < rows; ++row) {
    inverse_scales[row] = quantize_row(x + row * columns, columns, stride, kHeadRange, codes + row * stride);
  }
}

float sum_of_lanes(const float (&lanes)[kLanes]) {
  float sums[kLanes];
  for (std::size_t i = 0; i < kLanes; ++i) sums[i] = lanes[i];
  for (std::size_t half = kLanes / 2; half > 0; half /= 2) {
    for (std::size_t i = 0; i < half; ++i) sums[i] += sums[i + half];
  }
  return sums[0];
}

// See lane_kernels.h for the approximations.
constexpr float kLowestExponent = -87.3364f;
constexpr float kRounder = 12582912.0f;  // adding and subtracting 1.5 * 2^23 rounds half to even

float power_of_two(float n, float r) {
  const float r2 = r * r;
  const float upper = r * 0x1.5bba28p-10f + 0x1.3cea88p-7f;
  const float middle = r * 0x1.c6b752p-5f + 0x1.ebf9bcp-3f;
  const float lower = r * 0x1.62e42ap-1f + 1.0f;
  const float power = (upper * r2 + middle) * r2 + lower;
  return std::bit_cast<float>(std::bit_cast<std::int32_t>(power) + static_cast<std::int32_t>(n) * (1 << 23));
}

float bounded_power_of_two(float x, float lowest) {
  const float bounded = x > lowest ? x : lowest;
  const float n = (bounded + kRounder) - kRounder;
  return power_of_two(n, bounded - n);
}

float bounded_exponential(float x) {
  const float n = (x * kLog2E + kRounder) - kRounder;
  const float r = x - n * 0x1.62e4p-1f - n * 0x1.7f7d1cp-20f;
  return power_of_two(n, r * kLog2E);
}

float exponential(float x) {
  if (!(x >= kLowestExponent)) return 0.0f;
  return bounded_exponential(x < 88.02f ? x : 88.02f);
}

// The sum of a norm over values[count]: 64 lanes, folded to 16 as vectors 0 and 2, 1 and 3.
template <typename Function>
float norm_sum(const float* x, std::size_t count, const Function& function) {
  float chains[4 * kLanes] = {};
  for (std::size_t i = 0; i < count; ++i) chains[i % (4 * kLanes)] += function(x[i]);
  float lanes[kLanes];
  for (std::size_t i = 0; i < kLanes; ++i) {
    lanes[i] = (chains[i] + chains[i + 2 * kLanes]) + (chains[i + kLanes] + chains[i + 3 * kLanes]);
  }
  return sum_of_lanes(lanes);
}

void layer_norm_row(const float* x, const float* gain, const float* bias, float epsilon, std::size_t count,
                    float* out) {
  const float mean = norm_sum(x, count, [](float value) { return value; }) / static_cast<float>(count);
  const float squares = norm_sum(x, count, [mean](float value) { return (value - mean) * (value - mean); });
  const float inverse = 1.0f / std::sqrt(squares / static_cast<float>(count) + epsilon);
  for (std::size_t i = 0; i < count; ++i) {
    const float normalised = (x[i] - mean) * inverse * gain[i];
    out[i] = bias == nullptr ? normalised : normalised + bias[i];
  }
}

void gelu(const float* x, std::size_t count, float* out) {
  for (std::size_t i = 0; i < count; ++i) {
    const float magnitude = std::fabs(x[i]);
    const float y = magnitude < 13.0f ? magnitude : 13.0f;
    const float t = 1.0f / (y * 0.33f + 1.0f);
    const float t2 = t * t;
    const float upper = t2 * 0.045490682f + (t * -0.22036046f + 0.33088064f);
    const float q = ((upper * t2 + (t * -0.08903031f + 0.18094513f)) * t2 + (t * 0.119453296f + 0.132621f)) * t;
    out[i] = (x[i] > 0.0f ? x[i] : 0.0f) - y * bounded_power_of_two(y * y * (-0.5f * kLog2E), -126.0f) * q;
  }
}

void silu(const float* x, std::size_t count, float* out) {
  for (std::size_t i = 0; i < count; ++i) out[i] = x[i] / (1.0f + exponential(0.0f - x[i]));
}

void relu(const float* x, std::size_t count, float* out) {
  for (std::size_t i = 0; i < count; ++i) out[i] = x[i] > 0.0f ? x[i] : 0.0f;
}

void add(const float* a, const float* b, std::size_t count, float* out) {
  for (std::size_t i = 0; i < count; ++i) out[i] = a[i] + b[i];
}

void multiply(const float* a, const float* b, std::size_t count, float* out) {
  for (std::size_t i = 0; i < count; ++i) out[i] = a[i] * b[i];
}

void axpy(float alpha, const float* x, std::size_t count, float* y) {
  for (std::size_t i = 0; i < count; ++i) y[i] += alpha * x[i];
}

void dequantize(const std::int8_t* codes, float scale, std::size_t count, float* out) {
  for (std::size_t i = 0; i < count; ++i) out[i] = scale * static_cast<float>(codes[i]);
}

std::size_t index_of_max(const float* values, std::size_t count) {
  std::size_t best = 0;
  for (std::size_t i = 1; i < count; ++i) best = values[i] > values[best] ? i : best;
  return best;
}

void column_maxima(const float* values, std::size_t rows, float* maxima) {
  for (std::size_t column = 0; column < 2 * kLanes; ++column) {
    maxima[column] = -INFINITY;
    for (std::size_t row = 0; row < rows; ++row) {
      const float value = values[row * 2 * kLanes + column];
      maxima[column] = value > maxima[column] ? value : maxima[column];
    }
  }
}

float rough_exponential(float x, float largest, float factor) {
  const float bits = (x - largest) * factor + 127.0f * 0x1p23f;
  return std::bit_cast<float>(static_cast<std::int32_t>(bits > 0x1p23f ? bits : 0x1p23f));
}

void rough_exponentials(const float* x, std::size_t count, float largest, float factor, float* out) {
  for (std::size_t i = 0; i < count; ++i) out[i] = rough_exponential(x[i], largest, factor);
}

void rough_exponential_sums(const float* x, std::size_t count, float largest, float factor, float pivot, double* all,
                            double* not_below) {
  float lanes[2 * kLanes] = {};
  float lanes_not_below[2 * kLanes] = {};
  const std::size_t whole = count / (2 * kLanes) * (2 * kLanes);
  for (std::size_t i = 0; i < whole; ++i) {
    const float weight = rough_exponential(x[i], largest, factor);
    lanes[i % (2 * kLanes)] += weight;
    lanes_not_below[i % (2 * kLanes)] += x[i] >= pivot ? weight : 0.0f;
  }
  *all = *not_below = 0.0;
  for (std::size_t lane = 0; lane < 2 * kLanes; ++lane) {
    *all += double{lanes[lane]};
    *not_below += double{lanes_not_below[lane]};
  }
  for (std::size_t i = whole; i < count; ++i) {
    const double weight = double{rough_exponential(x[i], largest, factor)};
    *all += weight;
    *not_below += x[i] >= pivot ? weight : 0.0;
  }
}

void softmax(float* values, std::size_t count) {
  if (count == 0) return;
  const float largest = values[index_of_max(values, count)];
  float lanes[kLanes] = {};
  for (std::size_t i = 0; i < count; ++i) {
    values[i] = exponential(values[i] - largest);
    lanes[i % kLanes] += values[i];
  }
  const float inverse = 1.0f / sum_of_lanes(lanes);
  for (std::size_t i = 0; i < count; ++i) values[i] *= inverse;
}

float dot(const float* a, const float* b, std::size_t count) {
  float lanes[kLanes] = {};
  for (std::size_t i = 0; i < count; ++i) lanes[i % kLanes] += a[i] * b[i];
  return sum_of_lanes(lanes);
}

void rotate(float* values, std::size_t heads, std::size_t head_width, const float* cosines, const float* sines) {
  const std::size_t half = head_width / 2;
  for (std::size_t h = 0; h < heads; ++h) {
    float* low = values + h * head_width;
    float* high = low + half;
    for (std::size_t i = 0; i < half; ++i) {
      const float a = low[i];
      const float b = high[i];
      low[i] = a * cosines[i] - b * sines[i];
      high[i] = a * sines[i] + b * cosines[i];
    }
  }
}

}  // namespace
}  // namespace bitmar
