// The lanes of lane_kernels.h on AVX2: two registers of 8. For avx2.cpp only.
#pragma once

#define BITMAR_TARGET __attribute__((target("avx2")))

namespace bitmar::avx2 {
namespace {

struct Floats {
  __m256 low, high;  // lanes 0 to 7, 8 to 15
};
struct Ints {
  __m256i low, high;
};

constexpr std::size_t kLinearTokens = 5;
constexpr std::size_t kLinearPanels = 1;
constexpr std::size_t kVectorPanels = 4;

// Lanes [0, count) on; count may be negative or above 8.
BITMAR_TARGET inline __m256i first_lanes(int count) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

BITMAR_TARGET inline Floats zeros() {
  return {_mm256_setzero_ps(), _mm256_setzero_ps()};
}
BITMAR_TARGET inline Floats spread(float value) {
  return {_mm256_set1_ps(value), _mm256_set1_ps(value)};
}
BITMAR_TARGET inline Floats load(const float* values) {
  return {_mm256_loadu_ps(values), _mm256_loadu_ps(values + 8)};
}
BITMAR_TARGET inline Floats load_first(const float* values, std::size_t count) {
  const int lanes = static_cast<int>(count);
  if (lanes >= 16) return load(values);
  return {_mm256_maskload_ps(values, first_lanes(lanes)),
          lanes <= 8 ? _mm256_setzero_ps() : _mm256_maskload_ps(values + 8, first_lanes(lanes - 8))};
}
BITMAR_TARGET inline void store(float* values, Floats v) {
  _mm256_storeu_ps(values, v.low);
  _mm256_storeu_ps(values + 8, v.high);
}
BITMAR_TARGET inline void store_first(float* values, std::size_t count, Floats v) {
  const int lanes = static_cast<int>(count);
  if (lanes >= 16) return store(values, v);
  _mm256_maskstore_ps(values, first_lanes(lanes), v.low);
  if (lanes > 8) _mm256_maskstore_ps(values + 8, first_lanes(lanes - 8), v.high);
}
BITMAR_TARGET inline Floats add(Floats a, Floats b) {
  return {_mm256_add_ps(a.low, b.low), _mm256_add_ps(a.high, b.high)};
}
BITMAR_TARGET inline Floats sub(Floats a, Floats b) {
  return {_mm256_sub_ps(a.low, b.low), _mm256_sub_ps(a.high, b.high)};
}
BITMAR_TARGET inline Floats mul(Floats a, Floats b) {
  return {_mm256_mul_ps(a.low, b.low), _mm256_mul_ps(a.high, b.high)};
}
BITMAR_TARGET inline Floats div(Floats a, Floats b) {
  return {_mm256_div_ps(a.low, b.low), _mm256_div_ps(a.high, b.high)};
}
BITMAR_TARGET inline Floats max(Floats a, Floats b) {
  return {_mm256_max_ps(a.low, b.low), _mm256_max_ps(a.high, b.high)};
}
BITMAR_TARGET inline Floats min(Floats a, Floats b) {
  return {_mm256_min_ps(a.low, b.low), _mm256_min_ps(a.high, b.high)};
}
BITMAR_TARGET inline Floats magnitude(Floats a) {
  const __m256 sign = _mm256_set1_ps(-0.0f);
  return {_mm256_andnot_ps(sign, a.low), _mm256_andnot_ps(sign, a.high)};
}
BITMAR_TARGET inline Floats round_even(Floats a) {
  constexpr int kMode = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
  return {_mm256_round_ps(a.low, kMode), _mm256_round_ps(a.high, kMode)};
}
BITMAR_TARGET inline Floats where_not_below(Floats value, Floats x, Floats bound) {
  return {_mm256_and_ps(value.low, _mm256_cmp_ps(x.low, bound.low, _CMP_GE_OQ)),
          _mm256_and_ps(value.high, _mm256_cmp_ps(x.high, bound.high, _CMP_GE_OQ))};
}
BITMAR_TARGET inline Floats keep_lanes(Floats v, std::size_t begin, std::size_t end, float other) {
  const int first = static_cast<int>(begin);
  const int last = static_cast<int>(end);
  const __m256 rest = _mm256_set1_ps(other);
  const __m256i low = _mm256_andnot_si256(first_lanes(first), first_lanes(last));
  const __m256i high = _mm256_andnot_si256(first_lanes(first - 8), first_lanes(last - 8));
  return {_mm256_blendv_ps(rest, v.low, _mm256_castsi256_ps(low)),
          _mm256_blendv_ps(rest, v.high, _mm256_castsi256_ps(high))};
}
BITMAR_TARGET inline Ints to_ints(Floats integral) {
  return {_mm256_cvtps_epi32(integral.low), _mm256_cvtps_epi32(integral.high)};
}
BITMAR_TARGET inline Floats to_floats(Ints v) {
  return {_mm256_cvtepi32_ps(v.low), _mm256_cvtepi32_ps(v.high)};
}
BITMAR_TARGET inline Floats as_floats(Ints v) {
  return {_mm256_castsi256_ps(v.low), _mm256_castsi256_ps(v.high)};
}
BITMAR_TARGET inline __m256 times_power(__m256 value, __m256 n) {
  const __m256i exponent = _mm256_slli_epi32(_mm256_cvtps_epi32(n), 23);
  return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(value), exponent));
}
BITMAR_TARGET inline Floats times_power(Floats value, Floats n) {
  return {times_power(value.low, n.low), times_power(value.high, n.high)};
}
BITMAR_TARGET inline __m128 four_sums(Floats v) {
  const __m256 eight = _mm256_add_ps(v.low, v.high);
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
  const __m256 eight = _mm256_max_ps(v.low, v.high);
  const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}
BITMAR_TARGET inline unsigned any_equal(Floats a, Floats b) {
  const auto low = static_cast<unsigned>(_mm256_movemask_ps(_mm256_cmp_ps(a.low, b.low, _CMP_EQ_OQ)));
  const auto high = static_cast<unsigned>(_mm256_movemask_ps(_mm256_cmp_ps(a.high, b.high, _CMP_EQ_OQ)));
  return low | high << 8;
}
BITMAR_TARGET inline Floats widen_codes(const std::int8_t* codes, std::size_t count) {
  __m128i bytes;
  if (count == 16) {
    bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(codes));
  } else {
    std::int8_t padded[16] = {};
    std::memcpy(padded, codes, count);
    bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(padded));
  }
  return {_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes)),
          _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_srli_si128(bytes, 8)))};
}

// 16 values of 16 bits, in order.
BITMAR_TARGET inline __m256i narrow(Ints v) {
  return _mm256_permute4x64_epi64(_mm256_packs_epi32(v.low, v.high), 0xD8);
}
BITMAR_TARGET inline void store_codes(std::int8_t* codes, Ints v) {
  const __m256i words = narrow(v);
  const __m128i bytes = _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(codes), bytes);
}

// Four bytes in every lane.
BITMAR_TARGET inline __m256i broadcast4(const void* bytes) {
  int word;
  std::memcpy(&word, bytes, sizeof word);
  return _mm256_set1_epi32(word);
}

// `maddubs` adds two products in 16 bits, saturating: with magnitudes of at most 127 on one side they fit.
BITMAR_TARGET inline __m256i add_products(__m256i sum, __m256i magnitudes, __m256i signs_from, __m256i codes) {
  const __m256i pairs = _mm256_maddubs_epi16(magnitudes, _mm256_sign_epi8(codes, signs_from));
  return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

class KeyQuery {
 public:
  BITMAR_TARGET KeyQuery(const std::int8_t* codes, std::size_t width) : codes_(codes), width_(width) {}
  BITMAR_TARGET inline Ints sums(const std::int8_t* keys) const {
    Ints total{_mm256_setzero_si256(), _mm256_setzero_si256()};
    for (std::size_t i = 0; i < width_; i += 4) {
      const auto* block = reinterpret_cast<const __m256i*>(keys + i * kAttentionBlock);
      const __m256i query = broadcast4(codes_ + i);
      const __m256i magnitudes = _mm256_abs_epi8(query);
      total.low = add_products(total.low, magnitudes, query, _mm256_load_si256(block));
      total.high = add_products(total.high, magnitudes, query, _mm256_load_si256(block + 1));
    }
    return total;
  }

 private:
  const std::int8_t* codes_;
  std::size_t width_;
};

template <std::size_t kWidth>
struct FixedKeyQuery : KeyQuery {
  BITMAR_TARGET explicit FixedKeyQuery(const std::int8_t* codes) : KeyQuery(codes, kWidth) {}
};

// 16 high digits of 16 bits, then 16 low ones of 15.
BITMAR_TARGET inline void store_weights(std::uint8_t* block, Ints weights) {
  auto* words = reinterpret_cast<__m256i*>(block);
  const __m256i mask = _mm256_set1_epi32(0x7FFF);
  const Ints low{_mm256_and_si256(weights.low, mask), _mm256_and_si256(weights.high, mask)};
  const Ints high{_mm256_srli_epi32(weights.low, 15), _mm256_srli_epi32(weights.high, 15)};
  _mm256_storeu_si256(words, narrow(high));
  _mm256_storeu_si256(words + 1, narrow(low));
}

// Sums of products with one digit of the weights for 8 columns, two lanes a column: [4 columns, 2 lanes] twice.
struct DigitSums {
  __m256i parts[2];
};

BITMAR_TARGET inline void add_group(DigitSums& sums, const std::uint8_t* weights, const __m256i (&values)[2]) {
  long long four;
  std::memcpy(&four, weights, sizeof four);
  const __m256i spread = _mm256_set1_epi64x(four);
  sums.parts[0] = _mm256_add_epi32(sums.parts[0], _mm256_madd_epi16(values[0], spread));
  sums.parts[1] = _mm256_add_epi32(sums.parts[1], _mm256_madd_epi16(values[1], spread));
}

// totals[8] += sums * factor, the two lanes of a column together; the sums become zero.
BITMAR_TARGET inline void empty(DigitSums& sums, double factor, double* totals) {
  for (std::size_t part = 0; part < 2; ++part) {
    const __m256d first = _mm256_cvtepi32_pd(_mm256_castsi256_si128(sums.parts[part]));
    const __m256d second = _mm256_cvtepi32_pd(_mm256_extracti128_si256(sums.parts[part], 1));
    const __m256d columns = _mm256_permute4x64_pd(_mm256_hadd_pd(first, second), 0xD8);
    const __m256d scaled = _mm256_mul_pd(columns, _mm256_set1_pd(factor));
    _mm256_storeu_pd(totals + 4 * part, _mm256_add_pd(_mm256_loadu_pd(totals + 4 * part), scaled));
    sums.parts[part] = _mm256_setzero_si256();
  }
}

// A lane takes 2 products a group of 4 rows: 480 rows * 32767 * 127 / 2 is below 2^31.
constexpr std::size_t kBlocksBeforeOverflow = 30;

BITMAR_TARGET void weighted_values(const AttentionRange* ranges, std::size_t range_count, const std::uint8_t* weights,
                                   std::size_t width, float scale, float* out) {
  const std::size_t group_bytes = round_up(width, 16) * 4;
  for (std::size_t column = 0; column < width; column += 8) {
    double totals[8] = {};
    DigitSums high{};
    DigitSums low{};
    std::size_t waiting = 0;
    const std::uint8_t* block = weights;
    for (std::size_t r = 0; r < range_count; ++r) {
      const AttentionRange& range = ranges[r];
      for (std::size_t row = range.begin / 16 * 16; row < range.end; row += 16) {
        const std::int8_t* values = range.values + row / 4 * group_bytes + column * 4;
        for (std::size_t group = 0; group < 4; ++group) {
          const auto* codes = reinterpret_cast<const __m128i*>(values + group * group_bytes);
          const __m256i wide[2] = {_mm256_cvtepi8_epi16(_mm_load_si128(codes)),
                                   _mm256_cvtepi8_epi16(_mm_load_si128(codes + 1))};
          add_group(high, block + group * 8, wide);
          add_group(low, block + 32 + group * 8, wide);
        }
        block += 64;
        if (++waiting == kBlocksBeforeOverflow) {
          empty(high, 32768.0, totals);
          empty(low, 1.0, totals);
          waiting = 0;
        }
      }
    }
    empty(high, 32768.0, totals);
    empty(low, 1.0, totals);
    for (std::size_t i = 0; i < 8 && column + i < width; ++i) out[column + i] = static_cast<float>(totals[i]) * scale;
  }
}

}  // namespace
}  // namespace bitmar::avx2
