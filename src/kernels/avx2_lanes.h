// The lanes of lane_kernels.h on AVX2: two registers of 8. Text for every instruction set that stands on AVX2.

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

}  // namespace
