// The lanes of lane_kernels.h on AVX-512 with VNNI: one register of 16. For avx512.cpp only.
#pragma once

#define BITMAR_TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")))
#define BITMAR_VECTOR_BYTES 64

namespace bitmar::avx512 {
namespace {

using Floats = __m512;
using Ints = __m512i;

constexpr std::size_t kLinearTokens = 6;
constexpr std::size_t kLinearPanels = 4;
constexpr std::size_t kVectorPanels = 8;

BITMAR_TARGET inline __mmask16 first_lanes(std::size_t count) {
  return static_cast<__mmask16>((1u << count) - 1u);
}

BITMAR_TARGET inline Floats zeros() {
  return _mm512_setzero_ps();
}
BITMAR_TARGET inline Floats spread(float value) {
  return _mm512_set1_ps(value);
}
BITMAR_TARGET inline Floats load(const float* values) {
  return _mm512_loadu_ps(values);
}
BITMAR_TARGET inline Floats load_first(const float* values, std::size_t count) {
  return _mm512_maskz_loadu_ps(first_lanes(count), values);
}
BITMAR_TARGET inline void store(float* values, Floats v) {
  _mm512_storeu_ps(values, v);
}
BITMAR_TARGET inline void store_first(float* values, std::size_t count, Floats v) {
  _mm512_mask_storeu_ps(values, first_lanes(count), v);
}
BITMAR_TARGET inline Floats add(Floats a, Floats b) {
  return _mm512_add_ps(a, b);
}
BITMAR_TARGET inline Floats sub(Floats a, Floats b) {
  return _mm512_sub_ps(a, b);
}
BITMAR_TARGET inline Floats mul(Floats a, Floats b) {
  return _mm512_mul_ps(a, b);
}
BITMAR_TARGET inline Floats div(Floats a, Floats b) {
  return _mm512_div_ps(a, b);
}
BITMAR_TARGET inline Floats max(Floats a, Floats b) {
  return _mm512_max_ps(a, b);
}
BITMAR_TARGET inline Floats min(Floats a, Floats b) {
  return _mm512_min_ps(a, b);
}
BITMAR_TARGET inline Floats magnitude(Floats a) {
  return _mm512_abs_ps(a);
}
BITMAR_TARGET inline Floats round_even(Floats a) {
  return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
BITMAR_TARGET inline Floats where_not_below(Floats value, Floats x, Floats bound) {
  return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(x, bound, _CMP_GE_OQ), value);
}
BITMAR_TARGET inline Floats keep_lanes(Floats v, std::size_t begin, std::size_t end, float other) {
  return _mm512_mask_mov_ps(spread(other), _kandn_mask16(first_lanes(begin), first_lanes(end)), v);
}
BITMAR_TARGET inline Ints to_ints(Floats integral) {
  return _mm512_cvtps_epi32(integral);
}
BITMAR_TARGET inline Floats to_floats(Ints v) {
  return _mm512_cvtepi32_ps(v);
}
BITMAR_TARGET inline Floats as_floats(Ints v) {
  return _mm512_castsi512_ps(v);
}
BITMAR_TARGET inline Floats times_power(Floats value, Floats n) {
  return _mm512_scalef_ps(value, n);
}
BITMAR_TARGET inline __m128 four_sums(Floats v) {
  const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
  return _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
}
BITMAR_TARGET inline void fold_to_four(Floats v, float* four) {
  _mm_storeu_ps(four, four_sums(v));
}
BITMAR_TARGET inline float sum_lanes(Floats v) {
  const __m128 four = four_sums(v);
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}
BITMAR_TARGET inline float max_lanes(Floats v) {
  const __m256 eight = _mm256_max_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
  const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}
BITMAR_TARGET inline unsigned any_equal(Floats a, Floats b) {
  return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ);
}
BITMAR_TARGET inline Floats widen_codes(const std::int8_t* codes, std::size_t count) {
  return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_maskz_loadu_epi8(first_lanes(count), codes)));
}
BITMAR_TARGET inline void store_codes(std::int8_t* codes, Ints v) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(codes), _mm512_cvtepi32_epi8(v));
}

BITMAR_TARGET inline __m512i broadcast4(const void* bytes) {
  int word;
  __builtin_memcpy(&word, bytes, sizeof word);
  return _mm512_set1_epi32(word);
}

// sum += codes * x, unsigned by signed. One piece of assembly, because GCC 12 otherwise keeps a second copy of sums,
// and loads an operand again for each use.
BITMAR_TARGET inline void multiply_add(__m512i& sum, __m512i codes, __m512i x) {
  asm("vpdpbusd %[x], %[codes], %[sum]" : [sum] "+v"(sum) : [codes] "v"(codes), [x] "v"(x));
}

// Keys are unsigned, key + 128: the sum starts at minus 128 times that of the query.
BITMAR_TARGET inline __m512i start_of_sums(const std::int8_t* codes, std::size_t width) {
  __m512i sum = _mm512_setzero_si512();
  for (std::size_t i = 0; i < width; i += 4) multiply_add(sum, _mm512_set1_epi8(1), broadcast4(codes + i));
  return _mm512_sub_epi32(_mm512_setzero_si512(), _mm512_slli_epi32(sum, 7));
}

class KeyQuery {
 public:
  BITMAR_TARGET KeyQuery(const std::int8_t* codes, std::size_t width)
      : codes_(codes), width_(width), start_(start_of_sums(codes, width)) {}
  BITMAR_TARGET inline Ints sums(const std::int8_t* keys) const {
    __m512i even = start_;
    __m512i odd = _mm512_setzero_si512();
    std::size_t i = 0;
    for (; i + 8 <= width_; i += 8) {
      multiply_add(even, _mm512_load_si512(keys + i * kAttentionBlock), broadcast4(codes_ + i));
      multiply_add(odd, _mm512_load_si512(keys + (i + 4) * kAttentionBlock), broadcast4(codes_ + i + 4));
    }
    if (i < width_) multiply_add(even, _mm512_load_si512(keys + i * kAttentionBlock), broadcast4(codes_ + i));
    return _mm512_add_epi32(even, odd);
  }

 private:
  const std::int8_t* codes_;
  std::size_t width_;
  __m512i start_;
};

// A query of kWidth codes, a multiple of 8, stays in kWidth / 4 registers.
template <std::size_t kWidth>
class FixedKeyQuery {
 public:
  BITMAR_TARGET explicit FixedKeyQuery(const std::int8_t* codes) : start_(start_of_sums(codes, kWidth)) {
#pragma GCC unroll 16
    for (std::size_t i = 0; i < kWidth / 4; ++i) codes_[i] = broadcast4(codes + 4 * i);
  }
  BITMAR_TARGET inline Ints sums(const std::int8_t* keys) const {
    __m512i even = start_;
    __m512i odd = _mm512_setzero_si512();
#pragma GCC unroll 8
    for (std::size_t i = 0; i < kWidth / 4; i += 2) {
      multiply_add(even, _mm512_load_si512(keys + i * 64), codes_[i]);
      multiply_add(odd, _mm512_load_si512(keys + i * 64 + 64), codes_[i + 1]);
    }
    return _mm512_add_epi32(even, odd);
  }

 private:
  __m512i start_;
  __m512i codes_[kWidth / 4];
};

// For each 4 rows, 4 high bytes, 4 middle ones, 4 low ones, 4 zeros.
BITMAR_TARGET inline void store_weights(std::uint8_t* block, Ints weights) {
  const __m128i order = _mm_setr_epi8(2, 6, 10, 14, 1, 5, 9, 13, 0, 4, 8, 12, 3, 7, 11, 15);
  _mm512_storeu_si512(block, _mm512_shuffle_epi8(weights, _mm512_broadcast_i32x4(order)));
}

// (high * 65536 + middle * 256 + low) * scale; the sum is exact in a double.
BITMAR_TARGET inline Floats rescaled(__m512i high, __m512i middle, __m512i low, float scale) {
  const __m512d base = _mm512_set1_pd(256.0);
  const auto total = [&](__m256i h, __m256i m, __m256i l) BITMAR_TARGET {
    const __m512d upper = _mm512_add_pd(_mm512_mul_pd(_mm512_cvtepi32_pd(h), base), _mm512_cvtepi32_pd(m));
    return _mm512_cvtpd_ps(_mm512_add_pd(_mm512_mul_pd(upper, base), _mm512_cvtepi32_pd(l)));
  };
  const __m256 first = total(_mm512_castsi512_si256(high), _mm512_castsi512_si256(middle), _mm512_castsi512_si256(low));
  const __m256 second = total(_mm512_extracti32x8_epi32(high, 1), _mm512_extracti32x8_epi32(middle, 1),
                              _mm512_extracti32x8_epi32(low, 1));
  return _mm512_mul_ps(_mm512_insertf32x8(_mm512_castps256_ps512(first), second, 1), _mm512_set1_ps(scale));
}

// Sums of products with the three digits of the weights: high, middle, low.
template <std::size_t kVectors>
struct DigitSums {
  __m512i sums[kVectors][3];
};

// Adds 16 rows. Digits before kFirst are zero, and so are not multiplied.
template <std::size_t kFirst, std::size_t kVectors>
BITMAR_TARGET inline void add_rows_of(DigitSums<kVectors>& total, const std::uint8_t* weights,
                                      const std::int8_t* values, std::size_t group_bytes) {
#pragma GCC unroll 4
  for (std::size_t group = 0; group < 4; ++group) {
    __m512i digits[3];
#pragma GCC unroll 3
    for (std::size_t d = kFirst; d < 3; ++d) digits[d] = broadcast4(weights + group * 16 + d * 4);
#pragma GCC unroll 4
    for (std::size_t v = 0; v < kVectors; ++v) {
      const __m512i value = _mm512_load_si512(values + group * group_bytes + v * 64);
#pragma GCC unroll 3
      for (std::size_t d = kFirst; d < 3; ++d) multiply_add(total.sums[v][d], digits[d], value);
    }
  }
}

// kVectors * 16 columns of the values from column `first` on. Where one row has most of the weight, the high digits of
// most others are zero.
template <std::size_t kVectors>
BITMAR_TARGET inline void weighted_columns(const AttentionRange* ranges, std::size_t range_count,
                                           const std::uint8_t* weights, std::size_t width, std::size_t first,
                                           float scale, float* out) {
  const std::size_t group_bytes = round_up(width, 16) * 4;
  constexpr unsigned kHighDigits = 0x1111;  // each four rows' first 32 bits
  DigitSums<kVectors> total;
#pragma GCC unroll 4
  for (auto& sums : total.sums) sums[0] = sums[1] = sums[2] = _mm512_setzero_si512();
  for (std::size_t r = 0; r < range_count; ++r) {
    const AttentionRange& range = ranges[r];
    for (std::size_t row = range.begin / 16 * 16; row < range.end; row += 16) {
      const std::int8_t* values = range.values + row / 4 * group_bytes + first * 4;
      const __m512i block = _mm512_loadu_si512(weights);
      if ((_mm512_test_epi32_mask(block, block) & kHighDigits) != 0) {
        add_rows_of<0>(total, weights, values, group_bytes);
      } else {
        add_rows_of<1>(total, weights, values, group_bytes);
      }
      weights += 64;
    }
  }
#pragma GCC unroll 4
  for (std::size_t v = 0; v < kVectors; ++v) {
    const std::size_t column = first + v * 16;
    const std::size_t left = width - column < 16 ? width - column : 16;
    store_first(out + column, left, rescaled(total.sums[v][0], total.sums[v][1], total.sums[v][2], scale));
  }
}

BITMAR_TARGET void weighted_values(const AttentionRange* ranges, std::size_t range_count, const std::uint8_t* weights,
                                   std::size_t width, float scale, float* out) {
  std::size_t first = 0;
  for (; first + 48 < width; first += 64) weighted_columns<4>(ranges, range_count, weights, width, first, scale, out);
  for (; first + 16 < width; first += 32) weighted_columns<2>(ranges, range_count, weights, width, first, scale, out);
  if (first < width) weighted_columns<1>(ranges, range_count, weights, width, first, scale, out);
}

}  // namespace
}  // namespace bitmar::avx512
