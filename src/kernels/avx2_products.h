// Integer products on AVX2, as text for avx2.cpp; the layouts are those of tile_packing.h with 8 lanes.
//
// Ternary: a product of unsigned codes and activations goes through `maddubs` (two products summed in 16 bits) into
// 16-bit sums. These wrap, which does not matter as long as the final value fits. For one token or two a sum starts at
// minus the block's activation sum (the "+ 1" of every code), so that it ends at sum(value * activation); bit pairs 1
// and 3 stay in place, 4 times too large; of 128 columns a 16-bit half sees 64, so the bound is 4 * 64 * 127 = 32512.
// For several tokens the codes are shifted to the bottom of their bytes, which these share, and a sum starts at 0: of
// 256 columns a half sees 128, so the bound is 2 * 128 * 127, the same.
//
// Int8: `maddubs` saturates where two products exceed 16 bits, so the weights go in by magnitude and the activations
// carry the sign: 2 * 127 * 127 = 32258 fits, and the sums are exact.

namespace {

constexpr std::size_t kTileRows = 32;
constexpr std::size_t kGroupBytes = 32;                // 32 rows of 4 columns
constexpr std::size_t kBlockGroups = kSumColumns / 4;  // between two widenings of one token's sums
constexpr std::size_t kShiftedColumns = 256;           // between those of several tokens'

// sum += codes * x: unsigned by signed bytes, pairs added in 16 bits. One piece of assembly, because compilers
// otherwise compute many products ahead of their additions, run out of registers and keep the sums in memory (GCC 12:
// half the speed).
BITMAR_TARGET inline void multiply_add(__m256i& sum, __m256i codes, __m256i x) {
  __m256i product;
  asm("vpmaddubsw %[x], %[codes], %[product]\n\tvpaddw %[product], %[sum], %[sum]"
      : [sum] "+x"(sum), [product] "=&x"(product)
      : [codes] "x"(codes), [x] "x"(x));
}

BITMAR_TARGET inline void store_rows(const Output& out, std::size_t token, std::size_t row, __m256i sums) {
  store_rows(out, token, row, sums, _mm256_set1_ps(out.weights->scale * out.x->inverse_scales[token]));
}

// One tile times one token, codes used where they lie.
BITMAR_TARGET void tile_times_token(const Output& out, const std::uint8_t* tile, std::size_t row, std::size_t token) {
  const std::size_t groups = out.x->stride / 4;
  const std::int8_t* codes = out.x->codes + token * out.x->stride;
  const std::int16_t* column_sums = out.x->column_sums + token * 2 * sum_blocks(out.x->stride);
  const __m256i pair0 = _mm256_set1_epi8(0x03);
  const __m256i pair1 = _mm256_set1_epi8(0x0C);
  const __m256i ones = _mm256_set1_epi16(1);
  __m256i total0 = _mm256_setzero_si256();
  __m256i total1 = _mm256_setzero_si256();
  __m256i total2 = _mm256_setzero_si256();
  __m256i total3 = _mm256_setzero_si256();
  for (std::size_t block = 0; block < groups; block += kBlockGroups) {
    const std::size_t end = block + kBlockGroups < groups ? block + kBlockGroups : groups;
    __m256i sum0 = _mm256_sub_epi16(_mm256_setzero_si256(), broadcast4(column_sums + block / kBlockGroups * 2));
    __m256i sum1 = _mm256_slli_epi16(sum0, 2);
    __m256i sum2 = sum0;
    __m256i sum3 = sum1;
    for (std::size_t first = block; first < end; first += kColumnAlignment / 4) {
#pragma GCC unroll 8
      for (std::size_t i = 0; i < kColumnAlignment / 4; ++i) {
        const std::size_t group = first + i;
        const __m256i low = _mm256_load_si256(reinterpret_cast<const __m256i*>(tile + group * kGroupBytes));
        const __m256i x = broadcast4(codes + group * 4);
        const __m256i high = _mm256_srli_epi16(low, 4);
        multiply_add(sum0, _mm256_and_si256(low, pair0), x);
        multiply_add(sum1, _mm256_and_si256(low, pair1), x);
        multiply_add(sum2, _mm256_and_si256(high, pair0), x);
        multiply_add(sum3, _mm256_and_si256(high, pair1), x);
      }
    }
    total0 = _mm256_add_epi32(total0, _mm256_madd_epi16(sum0, ones));
    total1 = _mm256_add_epi32(total1, _mm256_madd_epi16(sum1, ones));
    total2 = _mm256_add_epi32(total2, _mm256_madd_epi16(sum2, ones));
    total3 = _mm256_add_epi32(total3, _mm256_madd_epi16(sum3, ones));
  }
  total1 = _mm256_srai_epi32(total1, 2);
  total3 = _mm256_srai_epi32(total3, 2);
  if (row + kTileRows <= out.row_end && out.weights->bias == nullptr) [[likely]] {
    const __m256 scale = _mm256_set1_ps(out.weights->scale * out.x->inverse_scales[token]);
    float* target = out.values + token * out.weights->rows + row;
    _mm256_storeu_ps(target, _mm256_mul_ps(_mm256_cvtepi32_ps(total0), scale));
    _mm256_storeu_ps(target + 8, _mm256_mul_ps(_mm256_cvtepi32_ps(total1), scale));
    _mm256_storeu_ps(target + 16, _mm256_mul_ps(_mm256_cvtepi32_ps(total2), scale));
    _mm256_storeu_ps(target + 24, _mm256_mul_ps(_mm256_cvtepi32_ps(total3), scale));
    return;
  }
  store_rows(out, token, row, total0);
  store_rows(out, token, row + 8, total1);
  store_rows(out, token, row + 16, total2);
  store_rows(out, token, row + 24, total3);
}

// sums += 16 rows of a tile, bit pairs kFirst and kFirst + 1 of `columns` columns, times kCount tokens; codes are
// shifted to the bottom of their bytes.
template <std::size_t kFirst, std::size_t kCount>
BITMAR_TARGET inline __attribute__((always_inline)) void multiply_pairs(__m256i (&sums)[kCount][2],
                                                                        const std::uint8_t* tile, std::size_t columns,
                                                                        const std::int8_t* codes, std::size_t stride) {
  const __m256i pair = _mm256_set1_epi8(0x03);
  for (std::size_t column = 0; column < columns; column += 4) {
    const __m256i packed = _mm256_load_si256(reinterpret_cast<const __m256i*>(tile + column * (kGroupBytes / 4)));
    const __m256i codes0 = _mm256_and_si256(kFirst == 0 ? packed : _mm256_srli_epi16(packed, 2 * kFirst), pair);
    const __m256i codes1 = _mm256_and_si256(_mm256_srli_epi16(packed, 2 * kFirst + 2), pair);
#pragma GCC unroll 8
    for (std::size_t t = 0; t < kCount; ++t) {
      const __m256i x = broadcast4(codes + t * stride + column);
      multiply_add(sums[t][0], codes0, x);
      multiply_add(sums[t][1], codes1, x);
    }
  }
}

// Out of line, both, so that the sums stay in registers.
template <std::size_t kFirst, std::size_t kCount>
BITMAR_TARGET __attribute__((noinline)) void narrow_pairs(const Chunk& chunk, std::size_t row, std::size_t token) {
  const Output& out = chunk.out;
  const std::size_t stride = out.x->stride;
  const __m256i ones = _mm256_set1_epi16(1);
  __m256i sums[kCount][2];
#pragma GCC unroll 8
  for (std::size_t t = 0; t < kCount; ++t) sums[t][0] = sums[t][1] = _mm256_setzero_si256();
  multiply_pairs<kFirst>(sums, out.weights->data + row / kTileRows * (stride / 4 * kGroupBytes), stride,
                         out.x->codes + token * stride, stride);
  float* target = out.values + token * out.weights->rows + row + kFirst * 8;
#pragma GCC unroll 8
  for (std::size_t t = 0; t < kCount; ++t) {
    const __m256 scale = _mm256_set1_ps(chunk.scales[token + t]);
    const __m256i offset = _mm256_set1_epi32(chunk.offsets[token + t]);
    const __m256i sums0 = _mm256_sub_epi32(_mm256_madd_epi16(sums[t][0], ones), offset);
    const __m256i sums1 = _mm256_sub_epi32(_mm256_madd_epi16(sums[t][1], ones), offset);
    _mm256_storeu_ps(target, _mm256_mul_ps(_mm256_cvtepi32_ps(sums0), scale));
    _mm256_storeu_ps(target + 8, _mm256_mul_ps(_mm256_cvtepi32_ps(sums1), scale));
    target += out.weights->rows;
  }
}

template <std::size_t kFirst, std::size_t kCount>
BITMAR_TARGET __attribute__((noinline)) void wide_pairs(const Chunk& chunk, std::size_t row, std::size_t token) {
  const Output& out = chunk.out;
  const std::size_t stride = out.x->stride;
  const std::uint8_t* tile = out.weights->data + row / kTileRows * (stride / 4 * kGroupBytes);
  const std::int8_t* codes = out.x->codes + token * stride;
  const __m256i ones = _mm256_set1_epi16(1);
  __m256i totals[kCount][2];
  for (std::size_t t = 0; t < kCount; ++t) {
    totals[t][0] = totals[t][1] = _mm256_set1_epi32(-chunk.offsets[token + t]);
  }
  for (std::size_t block = 0; block < stride; block += kShiftedColumns) {
    __m256i sums[kCount][2];
#pragma GCC unroll 8
    for (std::size_t t = 0; t < kCount; ++t) sums[t][0] = sums[t][1] = _mm256_setzero_si256();
    multiply_pairs<kFirst>(sums, tile + block * (kGroupBytes / 4),
                           block + kShiftedColumns < stride ? kShiftedColumns : stride - block, codes + block, stride);
#pragma GCC unroll 8
    for (std::size_t t = 0; t < kCount; ++t) {
      totals[t][0] = _mm256_add_epi32(totals[t][0], _mm256_madd_epi16(sums[t][0], ones));
      totals[t][1] = _mm256_add_epi32(totals[t][1], _mm256_madd_epi16(sums[t][1], ones));
    }
  }
  const std::size_t first_row = row + kFirst * 8;
  for (std::size_t t = 0; t < kCount; ++t) {
    const __m256 scale = _mm256_set1_ps(chunk.scales[token + t]);
    store_rows(out, token + t, first_row, totals[t][0], scale);
    store_rows(out, token + t, first_row + 8, totals[t][1], scale);
  }
}

template <std::size_t kFirst, std::size_t kCount>
BITMAR_TARGET inline void pairs_times_tokens(const Chunk& chunk, std::size_t row, std::size_t token) {
  const PackedMatrix& weights = *chunk.out.weights;
  if (chunk.x.stride <= kShiftedColumns && row + kFirst * 8 + 16 <= chunk.out.row_end && weights.bias == nullptr) {
    narrow_pairs<kFirst, kCount>(chunk, row, token);
  } else {
    wide_pairs<kFirst, kCount>(chunk, row, token);
  }
}

template <std::size_t kCount>
BITMAR_TARGET inline void tile_times_tokens(const Chunk& chunk, std::size_t row, std::size_t token, std::size_t count) {
  if constexpr (kCount <= 2) {
    // Up to here cheaper: one shift for codes in place, and the activations meet a whole tile at once.
    const std::uint8_t* tile = chunk.out.weights->data + row / kTileRows * (chunk.x.stride / 4 * kGroupBytes);
    for (std::size_t t = 0; t < count; ++t) tile_times_token(chunk.out, tile, row, token + t);
  } else if (count == kCount) {
    pairs_times_tokens<0, kCount>(chunk, row, token);
    if (row + 16 < chunk.out.row_end) pairs_times_tokens<2, kCount>(chunk, row, token);
  } else {
    tile_times_tokens<kCount - 1>(chunk, row, token, count);
  }
}

BITMAR_TARGET void ternary_linear(const PackedMatrix* weights, const ActivationRows* x, std::size_t row_begin,
                                  std::size_t row_end, float* values) {
  if (x->tokens != 1) {
    return for_all_tokens<kTileRows, tile_times_tokens<kTokens>>(weights, x, row_begin, row_end, values);
  }
  const Output out{weights, x, row_end, values};
  const std::size_t tile_bytes = x->stride / 4 * kGroupBytes;
  for (std::size_t row = row_begin; row < row_end; row += kTileRows) {
    tile_times_token(out, weights->data + row / kTileRows * tile_bytes, row, 0);
  }
}

constexpr std::size_t kInt8Panel = 16;  // rows: two registers of 8
constexpr std::size_t kInt8Tokens = 4;

struct Int8Job {
  const PackedMatrix* weights;
  const ActivationRows* x;
  std::size_t row_end;
  float* out;  // [tokens, rows]
};

BITMAR_TARGET inline void store_int8_rows(const Int8Job& job, std::size_t token, std::size_t row, __m256i sums) {
  if (row >= job.row_end) return;
  const std::size_t count = job.row_end - row;
  const __m256 inverse = _mm256_set1_ps(job.x->inverse_scales[token]);
  const __m256 scale = _mm256_mul_ps(load_lanes(job.weights->row_scales + row, count), inverse);
  __m256 result = _mm256_mul_ps(_mm256_cvtepi32_ps(sums), scale);
  if (job.weights->bias != nullptr) result = _mm256_add_ps(result, load_lanes(job.weights->bias + row, count));
  store_lanes(job.out + token * job.weights->rows + row, count, result);
}

template <std::size_t kTokens>
BITMAR_TARGET void int8_rows_times_tokens(const Int8Job& job, std::size_t row, std::size_t token) {
  const std::size_t stride = job.x->stride;
  const std::uint8_t* panel = job.weights->data + row * stride;
  const std::int8_t* x = job.x->codes + token * stride;
  const __m256i ones = _mm256_set1_epi16(1);
  __m256i sums[kTokens][2];
#pragma GCC unroll 4
  for (std::size_t t = 0; t < kTokens; ++t) sums[t][0] = sums[t][1] = _mm256_setzero_si256();
  for (std::size_t c = 0; c < stride; c += 4) {
    const auto* group = reinterpret_cast<const __m256i*>(panel + c * kInt8Panel);
    const __m256i w0 = _mm256_load_si256(group);
    const __m256i w1 = _mm256_load_si256(group + 1);
    const __m256i magnitude0 = _mm256_abs_epi8(w0);
    const __m256i magnitude1 = _mm256_abs_epi8(w1);
#pragma GCC unroll 4
    for (std::size_t t = 0; t < kTokens; ++t) {
      const __m256i broadcast = broadcast4(x + t * stride + c);
      const __m256i pairs0 = _mm256_maddubs_epi16(magnitude0, _mm256_sign_epi8(broadcast, w0));
      const __m256i pairs1 = _mm256_maddubs_epi16(magnitude1, _mm256_sign_epi8(broadcast, w1));
      sums[t][0] = _mm256_add_epi32(sums[t][0], _mm256_madd_epi16(pairs0, ones));
      sums[t][1] = _mm256_add_epi32(sums[t][1], _mm256_madd_epi16(pairs1, ones));
    }
  }
#pragma GCC unroll 4
  for (std::size_t t = 0; t < kTokens; ++t) {
    store_int8_rows(job, token + t, row, sums[t][0]);
    store_int8_rows(job, token + t, row + 8, sums[t][1]);
  }
}

BITMAR_TARGET void int8_linear(const PackedMatrix* weights, const ActivationRows* x, std::size_t row_begin,
                               std::size_t row_end, float* out) {
  const Int8Job job{weights, x, row_end, out};
  for (std::size_t row = row_begin; row < row_end; row += kInt8Panel) {
    std::size_t token = 0;
    for (; token + kInt8Tokens <= x->tokens; token += kInt8Tokens) {
      int8_rows_times_tokens<kInt8Tokens>(job, row, token);
    }
    switch (x->tokens - token) {
      case 3:
        int8_rows_times_tokens<3>(job, row, token);
        break;
      case 2:
        int8_rows_times_tokens<2>(job, row, token);
        break;
      case 1:
        int8_rows_times_tokens<1>(job, row, token);
        break;
      default:
        break;
    }
  }
}

}  // namespace
