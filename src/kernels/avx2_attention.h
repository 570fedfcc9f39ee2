// Attention's products on AVX2, as text for avx2.cpp: with keys in 8 bits, with values in 16.

namespace {

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

// Sums of products with the digits of the weights, high and low, for 16 columns: four columns a part, two lanes each.
struct DigitSums {
  __m256i parts[4][2];
};

// sum += values * digits: pairs of 16 bits added in 32. One piece of assembly for the reason of avx2_products.h.
BITMAR_TARGET inline void add_weighted(__m256i& sum, __m256i values, __m256i digits) {
  __m256i product;
  asm("vpmaddwd %[digits], %[values], %[product]\n\tvpaddd %[product], %[sum], %[sum]"
      : [sum] "+x"(sum), [product] "=&x"(product)
      : [values] "x"(values), [digits] "x"(digits));
}

// Adds 16 rows. Digits before kFirst are zero, and so are not multiplied.
template <std::size_t kFirst>
BITMAR_TARGET inline void add_rows_of(DigitSums& sums, const std::uint8_t* weights, const std::int8_t* values,
                                      std::size_t group_bytes) {
#pragma GCC unroll 4
  for (std::size_t group = 0; group < 4; ++group) {
    __m256i digits[2];
#pragma GCC unroll 2
    for (std::size_t d = kFirst; d < 2; ++d) {
      long long four;
      std::memcpy(&four, weights + d * 32 + group * 8, sizeof four);
      digits[d] = _mm256_set1_epi64x(four);
    }
#pragma GCC unroll 4
    for (std::size_t part = 0; part < 4; ++part) {
      const auto* codes = reinterpret_cast<const __m128i*>(values + group * group_bytes) + part;
      const __m256i wide = _mm256_cvtepi8_epi16(_mm_load_si128(codes));
#pragma GCC unroll 2
      for (std::size_t d = kFirst; d < 2; ++d) add_weighted(sums.parts[part][d], wide, digits[d]);
    }
  }
}

// totals[16] += the sums, the two lanes of a column together; the sums become zero.
BITMAR_TARGET inline void empty(DigitSums& sums, double* totals) {
#pragma GCC unroll 4
  for (std::size_t part = 0; part < 4; ++part) {
    __m256d total = _mm256_loadu_pd(totals + 4 * part);
#pragma GCC unroll 2
    for (std::size_t d = 0; d < 2; ++d) {
      const __m256d first = _mm256_cvtepi32_pd(_mm256_castsi256_si128(sums.parts[part][d]));
      const __m256d second = _mm256_cvtepi32_pd(_mm256_extracti128_si256(sums.parts[part][d], 1));
      const __m256d columns = _mm256_permute4x64_pd(_mm256_hadd_pd(first, second), 0xD8);
      total = _mm256_add_pd(total, _mm256_mul_pd(columns, _mm256_set1_pd(d == 0 ? 32768.0 : 1.0)));
      sums.parts[part][d] = _mm256_setzero_si256();
    }
    _mm256_storeu_pd(totals + 4 * part, total);
  }
}

// A lane takes 2 products a group of 4 rows: 480 rows * 32767 * 127 / 2 is below 2^31.
constexpr std::size_t kBlocksBeforeOverflow = 30;

// Where one row has most of the weight, the high digits of most others are zero.
BITMAR_TARGET void weighted_values(const AttentionRange* ranges, std::size_t range_count, const std::uint8_t* weights,
                                   std::size_t width, float scale, float* out) {
  const std::size_t group_bytes = round_up(width, 16) * 4;
  for (std::size_t column = 0; column < width; column += 16) {
    double totals[16] = {};
    DigitSums sums{};
    std::size_t waiting = 0;
    const std::uint8_t* block = weights;
    for (std::size_t r = 0; r < range_count; ++r) {
      const AttentionRange& range = ranges[r];
      for (std::size_t row = range.begin / 16 * 16; row < range.end; row += 16) {
        const std::int8_t* values = range.values + row / 4 * group_bytes + column * 4;
        const __m256i high = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(block));
        if (_mm256_testz_si256(high, high) == 0) {
          add_rows_of<0>(sums, block, values, group_bytes);
        } else {
          add_rows_of<1>(sums, block, values, group_bytes);
        }
        block += 64;
        if (++waiting == kBlocksBeforeOverflow) {
          empty(sums, totals);
          waiting = 0;
        }
      }
    }
    empty(sums, totals);
    for (std::size_t i = 0; i < 16 && column + i < width; ++i) out[column + i] = static_cast<float>(totals[i]) * scale;
  }
}

}  // namespace
