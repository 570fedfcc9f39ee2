// Dot products, attention over strided rows, rotation and argmax on AVX2 + FMA.
#include "kernels/avx2_parts.h"

#if defined(__x86_64__)

namespace bitmar::avx2 {
namespace {

// One chain of fused multiply-adds over vectors of eight: every way to a score uses it, so that a key scores the same
// alone and among seven others.
BITMAR_AVX2 inline __m256 chain(const float* a, const float* b, std::size_t count) {
  __m256 sum = _mm256_setzero_ps();
  std::size_t i = 0;
  for (; i + 8 <= count; i += 8) sum = _mm256_fmadd_ps(_mm256_loadu_ps(a + i), _mm256_loadu_ps(b + i), sum);
  if (i < count) sum = _mm256_fmadd_ps(load_lanes(a + i, count - i), load_lanes(b + i, count - i), sum);
  return sum;
}

// sum_lanes of eight vectors at once, in the same order.
BITMAR_AVX2 inline __m256 sum_lanes_of_eight(const __m256 v[8]) {
  const __m256 pairs01 = _mm256_hadd_ps(v[0], v[1]);
  const __m256 pairs23 = _mm256_hadd_ps(v[2], v[3]);
  const __m256 pairs45 = _mm256_hadd_ps(v[4], v[5]);
  const __m256 pairs67 = _mm256_hadd_ps(v[6], v[7]);
  const __m256 quads0123 = _mm256_hadd_ps(pairs01, pairs23);
  const __m256 quads4567 = _mm256_hadd_ps(pairs45, pairs67);
  return _mm256_add_ps(_mm256_permute2f128_ps(quads0123, quads4567, 0x20),
                       _mm256_permute2f128_ps(quads0123, quads4567, 0x31));
}

// kVectors * 8 columns of the sum, in registers over all rows.
template <std::size_t kVectors>
BITMAR_AVX2 inline void weighted_columns(const float* weights, const float* values, std::size_t stride,
                                         std::size_t count, float* out) {
  __m256 sums[kVectors];
#pragma GCC unroll 8
  for (std::size_t k = 0; k < kVectors; ++k) sums[k] = _mm256_loadu_ps(out + 8 * k);
  for (std::size_t i = 0; i < count; ++i) {
    const __m256 weight = _mm256_broadcast_ss(weights + i);
#pragma GCC unroll 8
    for (std::size_t k = 0; k < kVectors; ++k) {
      sums[k] = _mm256_fmadd_ps(weight, _mm256_loadu_ps(values + i * stride + 8 * k), sums[k]);
    }
  }
#pragma GCC unroll 8
  for (std::size_t k = 0; k < kVectors; ++k) _mm256_storeu_ps(out + 8 * k, sums[k]);
}

}  // namespace

BITMAR_AVX2 float dot(const float* a, const float* b, std::size_t count) {
  return sum_lanes(chain(a, b, count));
}

BITMAR_AVX2 void attention_scores(const float* query, const float* keys, std::size_t stride, std::size_t count,
                                  std::size_t width, float scale, float* scores) {
  std::size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    const float* key = keys + i * stride;
    __m256 sums[8];
#pragma GCC unroll 8
    for (std::size_t k = 0; k < 8; ++k) sums[k] = _mm256_setzero_ps();
    std::size_t j = 0;
    for (; j + 8 <= width; j += 8) {
      const __m256 q = _mm256_loadu_ps(query + j);
#pragma GCC unroll 8
      for (std::size_t k = 0; k < 8; ++k) sums[k] = _mm256_fmadd_ps(q, _mm256_loadu_ps(key + k * stride + j), sums[k]);
    }
    if (j < width) {
      const __m256 q = load_lanes(query + j, width - j);
#pragma GCC unroll 8
      for (std::size_t k = 0; k < 8; ++k) {
        sums[k] = _mm256_fmadd_ps(q, load_lanes(key + k * stride + j, width - j), sums[k]);
      }
    }
    _mm256_storeu_ps(scores + i, _mm256_mul_ps(_mm256_set1_ps(scale), sum_lanes_of_eight(sums)));
  }
  for (; i < count; ++i) scores[i] = scale * dot(query, keys + i * stride, width);
}

BITMAR_AVX2 void weighted_sum(const float* weights, const float* values, std::size_t stride, std::size_t count,
                              std::size_t width, float* out) {
  std::size_t j = 0;
  for (; j + 64 <= width; j += 64) weighted_columns<8>(weights, values + j, stride, count, out + j);
  for (; j + 32 <= width; j += 32) weighted_columns<4>(weights, values + j, stride, count, out + j);
  for (; j + 8 <= width; j += 8) weighted_columns<1>(weights, values + j, stride, count, out + j);
  if (j < width) {
    __m256 sum = load_lanes(out + j, width - j);
    for (std::size_t i = 0; i < count; ++i) {
      sum = _mm256_fmadd_ps(_mm256_broadcast_ss(weights + i), load_lanes(values + i * stride + j, width - j), sum);
    }
    store_lanes(out + j, width - j, sum);
  }
}

BITMAR_AVX2 void rotate(float* values, std::size_t heads, std::size_t head_width, const float* cosines,
                        const float* sines) {
  const std::size_t half = head_width / 2;
  for (std::size_t h = 0; h < heads; ++h) {
    float* low = values + h * head_width;
    float* high = low + half;
    for (std::size_t i = 0; i < half; i += 8) {
      const std::size_t left = half - i;
      const __m256 a = load_lanes(low + i, left);
      const __m256 b = load_lanes(high + i, left);
      const __m256 cosine = load_lanes(cosines + i, left);
      const __m256 sine = load_lanes(sines + i, left);
      store_lanes(low + i, left, _mm256_fmsub_ps(a, cosine, _mm256_mul_ps(b, sine)));
      store_lanes(high + i, left, _mm256_fmadd_ps(a, sine, _mm256_mul_ps(b, cosine)));
    }
  }
}

// The largest value first, then where it first stands.
BITMAR_AVX2 std::size_t index_of_max(const float* values, std::size_t count) {
  std::size_t i = 0;
  float largest = values[0];
  if (count >= 32) {
    __m256 maxima[4];
#pragma GCC unroll 4
    for (std::size_t k = 0; k < 4; ++k) maxima[k] = _mm256_loadu_ps(values + 8 * k);
    for (i = 32; i + 32 <= count; i += 32) {
#pragma GCC unroll 4
      for (std::size_t k = 0; k < 4; ++k) maxima[k] = _mm256_max_ps(maxima[k], _mm256_loadu_ps(values + i + 8 * k));
    }
    alignas(32) float lanes[8];
    _mm256_store_ps(lanes, _mm256_max_ps(_mm256_max_ps(maxima[0], maxima[1]), _mm256_max_ps(maxima[2], maxima[3])));
    for (const float lane : lanes) largest = lane > largest ? lane : largest;
  }
  for (; i < count; ++i) largest = values[i] > largest ? values[i] : largest;
  const __m256 target = _mm256_set1_ps(largest);
  for (i = 0; i + 8 <= count; i += 8) {
    const int equal = _mm256_movemask_ps(_mm256_cmp_ps(_mm256_loadu_ps(values + i), target, _CMP_EQ_OQ));
    if (equal != 0) return i + static_cast<std::size_t>(__builtin_ctz(static_cast<unsigned>(equal)));
  }
  for (; i < count && values[i] != largest; ++i) {
  }
  return i < count ? i : 0;
}

}  // namespace bitmar::avx2

#endif
