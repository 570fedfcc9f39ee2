// Attention's products on 256-bit `vpdpbusd`, as on AVX-512 (avx512_lanes.h): text for avxvnni.cpp and
// avx512vnni_256.cpp, after avx2_lanes.h and avx2_outputs.h.

namespace {

// sum += codes * x, unsigned by signed, four products a lane. BITMAR_VPDPBUSD is the instruction with its encoding, in
// the 16 registers that both encodings have: one text, compiled for AVX2 alone, gives the same code twice but for this.
BITMAR_TARGET inline void multiply_add(__m256i& sum, __m256i codes, __m256i x) {
  asm(BITMAR_VPDPBUSD " %[x], %[codes], %[sum]" : [sum] "+x"(sum) : [codes] "x"(codes), [x] "x"(x));
}

BITMAR_TARGET inline __m256i load_bytes(const void* bytes) {
  return _mm256_load_si256(static_cast<const __m256i*>(bytes));
}

// Keys are unsigned, key + 128: the sum starts at minus 128 times that of the query.
BITMAR_TARGET inline __m256i start_of_sums(const std::int8_t* codes, std::size_t width) {
  __m256i sum = _mm256_setzero_si256();
  for (std::size_t i = 0; i < width; i += 4) multiply_add(sum, _mm256_set1_epi8(1), broadcast4(codes + i));
  return _mm256_sub_epi32(_mm256_setzero_si256(), _mm256_slli_epi32(sum, 7));
}

class KeyQuery {
 public:
  BITMAR_TARGET KeyQuery(const std::int8_t* codes, std::size_t width)
      : codes_(codes), width_(width), start_(start_of_sums(codes, width)) {}
  BITMAR_TARGET inline Ints sums(const std::int8_t* keys) const {
    Ints total{start_, start_};
    for (std::size_t i = 0; i < width_; i += 4) {
      const __m256i query = broadcast4(codes_ + i);
      multiply_add(total.low, load_bytes(keys + i * kAttentionBlock), query);
      multiply_add(total.high, load_bytes(keys + i * kAttentionBlock + 32), query);
    }
    return total;
  }

 private:
  const std::int8_t* codes_;
  std::size_t width_;
  __m256i start_;
};

// A query of kWidth codes, broadcast once.
template <std::size_t kWidth>
class FixedKeyQuery {
 public:
  BITMAR_TARGET explicit FixedKeyQuery(const std::int8_t* codes) : start_(start_of_sums(codes, kWidth)) {
#pragma GCC unroll 16
    for (std::size_t i = 0; i < kWidth / 4; ++i) codes_[i] = broadcast4(codes + 4 * i);
  }
  BITMAR_TARGET inline Ints sums(const std::int8_t* keys) const {
    Ints total{start_, start_};
#pragma GCC unroll 16
    for (std::size_t i = 0; i < kWidth / 4; ++i) {
      multiply_add(total.low, load_bytes(keys + i * 64), codes_[i]);
      multiply_add(total.high, load_bytes(keys + i * 64 + 32), codes_[i]);
    }
    return total;
  }

 private:
  __m256i start_;
  __m256i codes_[kWidth / 4];
};

// For each 4 rows, 4 high bytes, 4 middle ones, 4 low ones, 4 zeros.
BITMAR_TARGET inline void store_weights(std::uint8_t* block, Ints weights) {
  const __m128i bytes = _mm_setr_epi8(2, 6, 10, 14, 1, 5, 9, 13, 0, 4, 8, 12, 3, 7, 11, 15);
  const __m256i order = _mm256_broadcastsi128_si256(bytes);
  auto* target = reinterpret_cast<__m256i*>(block);
  _mm256_store_si256(target, _mm256_shuffle_epi8(weights.low, order));
  _mm256_store_si256(target + 1, _mm256_shuffle_epi8(weights.high, order));
}

// (high * 65536 + middle * 256 + low) * scale; the sum is exact in a double.
BITMAR_TARGET inline __m256 rescaled(__m256i high, __m256i middle, __m256i low, float scale) {
  const __m256d base = _mm256_set1_pd(256.0);
  const auto total = [&](__m128i h, __m128i m, __m128i l) BITMAR_TARGET {
    const __m256d upper = _mm256_add_pd(_mm256_mul_pd(_mm256_cvtepi32_pd(h), base), _mm256_cvtepi32_pd(m));
    return _mm256_cvtpd_ps(_mm256_add_pd(_mm256_mul_pd(upper, base), _mm256_cvtepi32_pd(l)));
  };
  const __m128 first = total(_mm256_castsi256_si128(high), _mm256_castsi256_si128(middle), _mm256_castsi256_si128(low));
  const __m128 second = total(_mm256_extracti128_si256(high, 1), _mm256_extracti128_si256(middle, 1),
                              _mm256_extracti128_si256(low, 1));
  return _mm256_mul_ps(_mm256_set_m128(second, first), _mm256_set1_ps(scale));
}

// Sums of products with the three digits of the weights: high, middle, low.
template <std::size_t kVectors>
struct DigitSums {
  __m256i sums[kVectors][3];
};

// Adds 16 rows. Digits before kFirst are zero, and so are not multiplied.
template <std::size_t kFirst, std::size_t kVectors>
BITMAR_TARGET inline void add_rows_of(DigitSums<kVectors>& total, const std::uint8_t* weights,
                                      const std::int8_t* values, std::size_t group_bytes) {
#pragma GCC unroll 4
  for (std::size_t group = 0; group < 4; ++group) {
    __m256i digits[3];
#pragma GCC unroll 3
    for (std::size_t d = kFirst; d < 3; ++d) digits[d] = broadcast4(weights + group * 16 + d * 4);
#pragma GCC unroll 4
    for (std::size_t v = 0; v < kVectors; ++v) {
      const __m256i value = load_bytes(values + group * group_bytes + v * 32);
#pragma GCC unroll 3
      for (std::size_t d = kFirst; d < 3; ++d) multiply_add(total.sums[v][d], digits[d], value);
    }
  }
}

BITMAR_TARGET inline bool has_high_digits(const std::uint8_t* block) {
  const __m256i all = _mm256_or_si256(load_bytes(block), load_bytes(block + 32));
  return _mm256_testz_si256(all, _mm256_setr_epi32(-1, 0, 0, 0, -1, 0, 0, 0)) == 0;
}

// kVectors * 8 columns of the values from column `first` on. Where one row has most of the weight, the high digits of
// most others are zero.
template <std::size_t kVectors>
BITMAR_TARGET inline void weighted_columns(const AttentionRange* ranges, std::size_t range_count,
                                           const std::uint8_t* weights, std::size_t width, std::size_t first,
                                           float scale, float* out) {
  const std::size_t group_bytes = round_up(width, 16) * 4;
  DigitSums<kVectors> total;
#pragma GCC unroll 4
  for (auto& sums : total.sums) sums[0] = sums[1] = sums[2] = _mm256_setzero_si256();
  for (std::size_t r = 0; r < range_count; ++r) {
    const AttentionRange& range = ranges[r];
    for (std::size_t row = range.begin / 16 * 16; row < range.end; row += 16) {
      const std::int8_t* values = range.values + row / 4 * group_bytes + first * 4;
      if (has_high_digits(weights)) {
        add_rows_of<0>(total, weights, values, group_bytes);
      } else {
        add_rows_of<1>(total, weights, values, group_bytes);
      }
      weights += 64;
    }
  }
#pragma GCC unroll 4
  for (std::size_t v = 0; v < kVectors; ++v) {
    const std::size_t column = first + v * 8;
    if (column >= width) break;
    const __m256 result = rescaled(total.sums[v][0], total.sums[v][1], total.sums[v][2], scale);
    store_lanes(out + column, width - column, result);
  }
}

// The 12 sums of four vectors fill the registers, those of two serve the last 16 columns.
BITMAR_TARGET void weighted_values(const AttentionRange* ranges, std::size_t range_count, const std::uint8_t* weights,
                                   std::size_t width, float scale, float* out) {
  std::size_t first = 0;
  for (; first + 16 < width; first += 32) weighted_columns<4>(ranges, range_count, weights, width, first, scale, out);
  if (first < width) weighted_columns<2>(ranges, range_count, weights, width, first, scale, out);
}

}  // namespace
