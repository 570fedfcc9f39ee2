// Elementwise and row functions on AVX2 + FMA.
#include "kernels/avx2_parts.h"

#if defined(__x86_64__)

#include <cmath>

namespace bitmar::avx2 {
namespace {

// e^x within 2 units in the last place: 2^n * e^r with |r| <= ln(2) / 2 and e^r = 1 + r + r^2 * P(r), P fitted at
// Chebyshev nodes (relative error 7e-10). Below the smallest normal number the result is 0.
BITMAR_AVX2 inline __m256 exponential(__m256 x) {
  const __m256 lowest = _mm256_set1_ps(-87.3365f);
  const __m256 alive = _mm256_cmp_ps(x, lowest, _CMP_GE_OQ);
  x = _mm256_min_ps(_mm256_max_ps(x, lowest), _mm256_set1_ps(88.02f));
  const __m256 n =
      _mm256_round_ps(_mm256_mul_ps(x, _mm256_set1_ps(1.44269504f)), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  // ln(2) in two parts, the first short enough for n * part to be exact.
  __m256 r = _mm256_fnmadd_ps(n, _mm256_set1_ps(0x1.62e4p-1f), x);
  r = _mm256_fnmadd_ps(n, _mm256_set1_ps(0x1.7f7d1cp-20f), r);
  __m256 p = _mm256_set1_ps(0x1.a1517cp-13f);
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(0x1.6d4328p-10f));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(0x1.1110c6p-7f));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(0x1.5554eap-5f));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(0x1.555556p-3f));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(0.5f));
  const __m256 one = _mm256_set1_ps(1.0f);
  const __m256 power = _mm256_add_ps(_mm256_fmadd_ps(_mm256_mul_ps(r, r), p, r), one);
  const __m256i exponent = _mm256_slli_epi32(_mm256_cvtps_epi32(n), 23);
  const __m256 scaled = _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(power), exponent));
  return _mm256_and_ps(scaled, alive);
}

// x * Phi(x) = max(x, 0) - |x| * Phi(-|x|), and Phi(-y) = e^(-y^2 / 2) * Q(t), t = 1 / (1 + 0.33 y), Q a polynomial of
// degree 7 without constant term, fitted for Phi(-y) to 5e-9 (the form of Abramowitz and Stegun 26.2.17).
struct Gelu {
  BITMAR_AVX2 static inline __m256 apply(__m256 x) {
    const __m256 magnitude = _mm256_andnot_ps(_mm256_set1_ps(-0.0f), x);
    const __m256 y = _mm256_min_ps(magnitude, _mm256_set1_ps(14.0f));  // Phi(-14) is 0 in a float
    const __m256 one = _mm256_set1_ps(1.0f);
    const __m256 t = _mm256_div_ps(one, _mm256_fmadd_ps(y, _mm256_set1_ps(0.33f), one));
    __m256 q = _mm256_set1_ps(0.045490682f);
    q = _mm256_fmadd_ps(q, t, _mm256_set1_ps(-0.22036046f));
    q = _mm256_fmadd_ps(q, t, _mm256_set1_ps(0.33088064f));
    q = _mm256_fmadd_ps(q, t, _mm256_set1_ps(-0.08903031f));
    q = _mm256_fmadd_ps(q, t, _mm256_set1_ps(0.18094513f));
    q = _mm256_fmadd_ps(q, t, _mm256_set1_ps(0.119453296f));
    q = _mm256_fmadd_ps(q, t, _mm256_set1_ps(0.132621f));
    q = _mm256_mul_ps(q, t);
    const __m256 power = exponential(_mm256_mul_ps(_mm256_mul_ps(y, y), _mm256_set1_ps(-0.5f)));
    return _mm256_fnmadd_ps(_mm256_mul_ps(y, power), q, _mm256_max_ps(x, _mm256_setzero_ps()));
  }
};

struct Silu {
  BITMAR_AVX2 static inline __m256 apply(__m256 x) {
    const __m256 negated = _mm256_xor_ps(x, _mm256_set1_ps(-0.0f));
    return _mm256_div_ps(x, _mm256_add_ps(_mm256_set1_ps(1.0f), exponential(negated)));
  }
};

struct Relu {
  BITMAR_AVX2 static inline __m256 apply(__m256 x) { return _mm256_max_ps(x, _mm256_setzero_ps()); }
};

template <typename Function>
BITMAR_AVX2 void map(const float* x, std::size_t count, float* out) {
  std::size_t i = 0;
  for (; i + 8 <= count; i += 8) _mm256_storeu_ps(out + i, Function::apply(_mm256_loadu_ps(x + i)));
  if (i < count) store_lanes(out + i, count - i, Function::apply(load_lanes(x + i, count - i)));
}

BITMAR_AVX2 float row_sum(const float* x, std::size_t count) {
  __m256 sums[4] = {_mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps()};
  std::size_t i = 0;
  for (; i + 32 <= count; i += 32) {
#pragma GCC unroll 4
    for (std::size_t k = 0; k < 4; ++k) sums[k] = _mm256_add_ps(sums[k], _mm256_loadu_ps(x + i + 8 * k));
  }
  for (; i < count; i += 8) sums[0] = _mm256_add_ps(sums[0], load_lanes(x + i, count - i));
  return sum_lanes(_mm256_add_ps(_mm256_add_ps(sums[0], sums[1]), _mm256_add_ps(sums[2], sums[3])));
}

BITMAR_AVX2 float row_squared_deviation(const float* x, float mean, std::size_t count) {
  const __m256 means = _mm256_set1_ps(mean);
  __m256 sums[4] = {_mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps()};
  std::size_t i = 0;
  for (; i + 32 <= count; i += 32) {
#pragma GCC unroll 4
    for (std::size_t k = 0; k < 4; ++k) {
      const __m256 difference = _mm256_sub_ps(_mm256_loadu_ps(x + i + 8 * k), means);
      sums[k] = _mm256_fmadd_ps(difference, difference, sums[k]);
    }
  }
  for (; i < count; i += 8) {
    const __m256 lanes = _mm256_castsi256_ps(first_lanes(count - i));
    const __m256 difference = _mm256_and_ps(_mm256_sub_ps(load_lanes(x + i, count - i), means), lanes);
    sums[0] = _mm256_fmadd_ps(difference, difference, sums[0]);
  }
  return sum_lanes(_mm256_add_ps(_mm256_add_ps(sums[0], sums[1]), _mm256_add_ps(sums[2], sums[3])));
}

}  // namespace

BITMAR_AVX2 void layer_norm_row(const float* x, const float* gain, const float* bias, float epsilon, std::size_t count,
                                float* out) {
  const float mean = row_sum(x, count) / static_cast<float>(count);
  const float variance = row_squared_deviation(x, mean, count) / static_cast<float>(count);
  const __m256 means = _mm256_set1_ps(mean);
  const __m256 inverse = _mm256_set1_ps(1.0f / std::sqrt(variance + epsilon));
  for (std::size_t i = 0; i < count; i += 8) {
    const std::size_t left = count - i;
    __m256 value = _mm256_mul_ps(_mm256_sub_ps(load_lanes(x + i, left), means), inverse);
    value = _mm256_mul_ps(value, load_lanes(gain + i, left));
    if (bias != nullptr) value = _mm256_add_ps(value, load_lanes(bias + i, left));
    store_lanes(out + i, left, value);
  }
}

BITMAR_AVX2 void gelu(const float* x, std::size_t count, float* out) {
  map<Gelu>(x, count, out);
}
BITMAR_AVX2 void silu(const float* x, std::size_t count, float* out) {
  map<Silu>(x, count, out);
}
BITMAR_AVX2 void relu(const float* x, std::size_t count, float* out) {
  map<Relu>(x, count, out);
}

BITMAR_AVX2 void add(const float* a, const float* b, std::size_t count, float* out) {
  for (std::size_t i = 0; i < count; i += 8) {
    store_lanes(out + i, count - i, _mm256_add_ps(load_lanes(a + i, count - i), load_lanes(b + i, count - i)));
  }
}

BITMAR_AVX2 void multiply(const float* a, const float* b, std::size_t count, float* out) {
  for (std::size_t i = 0; i < count; i += 8) {
    store_lanes(out + i, count - i, _mm256_mul_ps(load_lanes(a + i, count - i), load_lanes(b + i, count - i)));
  }
}

BITMAR_AVX2 void axpy(float alpha, const float* x, std::size_t count, float* y) {
  const __m256 factor = _mm256_set1_ps(alpha);
  for (std::size_t i = 0; i < count; i += 8) {
    const std::size_t left = count - i;
    store_lanes(y + i, left, _mm256_fmadd_ps(factor, load_lanes(x + i, left), load_lanes(y + i, left)));
  }
}

BITMAR_AVX2 void dequantize(const std::int8_t* codes, float scale, std::size_t count, float* out) {
  const __m256 factor = _mm256_set1_ps(scale);
  for (std::size_t i = 0; i < count; i += 8) {
    const std::size_t left = count - i < 8 ? count - i : 8;
    long long bytes = 0;
    __builtin_memcpy(&bytes, codes + i, left);
    const __m256i values = _mm256_cvtepi8_epi32(_mm_cvtsi64_si128(bytes));
    store_lanes(out + i, left, _mm256_mul_ps(factor, _mm256_cvtepi32_ps(values)));
  }
}

BITMAR_AVX2 void softmax(float* values, std::size_t count) {
  if (count == 0) return;
  const __m256 largest = _mm256_set1_ps(values[index_of_max(values, count)]);
  __m256 sums = _mm256_setzero_ps();
  for (std::size_t i = 0; i < count; i += 8) {
    __m256 power = exponential(_mm256_sub_ps(load_lanes(values + i, count - i), largest));
    if (count - i < 8) power = _mm256_and_ps(power, _mm256_castsi256_ps(first_lanes(count - i)));
    store_lanes(values + i, count - i, power);
    sums = _mm256_add_ps(sums, power);
  }
  const __m256 inverse = _mm256_set1_ps(1.0f / sum_lanes(sums));
  for (std::size_t i = 0; i < count; i += 8) {
    store_lanes(values + i, count - i, _mm256_mul_ps(load_lanes(values + i, count - i), inverse));
  }
}

}  // namespace bitmar::avx2

#endif
