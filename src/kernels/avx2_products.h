// Integer products on AVX2, as text for avx2.cpp; the layouts are those of tile_packing.h with 8 lanes.
//
// Ternary: a product of unsigned codes and activations goes through `maddubs` (two products summed in 16 bits) into
// 16-bit sums. These wrap, which does not matter: a sum starts at minus the block's activation sum (the "+ 1" of every
// code), so the final value is sum(value * activation), and that fits. Bit pairs 1 and 3 stay in place, 4 times too
// large; of 128 columns a 16-bit half sees 64, so the bound is 4 * 64 * 127 = 32512.
//
// Int8: `maddubs` saturates where two products exceed 16 bits, so the weights go in by magnitude and the activations
// carry the sign: 2 * 127 * 127 = 32258 fits, and the sums are exact.

namespace {

constexpr std::size_t kTileRows = 32;
constexpr std::size_t kGroupBytes = 32;                // 32 rows of 4 columns
constexpr std::size_t kBlockGroups = kSumColumns / 4;  // between two widenings, codes in place
constexpr std::size_t kUnpackedGroups = 128;           // and with unpacked codes: 256 * 127 = 32512
constexpr std::size_t kGemmTokens = 6;                 // 6 tokens by 16 rows fill 12 of 16 registers

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

// Codes of `groups` groups as whole bytes: [group, bit pair, 32].
BITMAR_TARGET void unpack(const std::uint8_t* tile, std::size_t groups, std::uint8_t* unpacked) {
  const __m256i mask = _mm256_set1_epi8(0x03);
  auto* target = reinterpret_cast<__m256i*>(unpacked);
  for (std::size_t group = 0; group < groups; ++group) {
    const __m256i packed = _mm256_load_si256(reinterpret_cast<const __m256i*>(tile + group * kGroupBytes));
    _mm256_store_si256(target++, _mm256_and_si256(packed, mask));
    _mm256_store_si256(target++, _mm256_and_si256(_mm256_srli_epi16(packed, 2), mask));
    _mm256_store_si256(target++, _mm256_and_si256(_mm256_srli_epi16(packed, 4), mask));
    _mm256_store_si256(target++, _mm256_and_si256(_mm256_srli_epi16(packed, 6), mask));
  }
}

// A run of unpacked groups of one tile. Unless it holds all columns, the int32 sums wait, bit for bit, in the output's
// own memory.
struct Block {
  const std::uint8_t* codes;  // [groups, 4, 32]
  std::size_t first_group;
  std::size_t groups;
  bool first;  // no sums wait yet
  bool last;   // sums are complete afterwards
};

BITMAR_TARGET inline void finish_rows(const Output& out, const Block& block, std::size_t token, std::size_t row,
                                      __m256i sums) {
  if (row >= out.row_end) return;
  float* waiting = out.values + token * out.weights->rows + row;
  const std::size_t count = out.row_end - row;
  if (!block.first) sums = _mm256_add_epi32(sums, _mm256_castps_si256(load_lanes(waiting, count)));
  if (block.last) {
    store_rows(out, token, row, sums);
  } else {
    store_lanes(waiting, count, _mm256_castsi256_ps(sums));
  }
}

// The inner loop alone, so that its 12 sums stay in registers: 16 rows (two bit pairs) by kTokens tokens. `starts`
// holds each token's four bytes to begin with, `results` takes the int32 sums, [token, 2, 8].
template <std::size_t kTokens>
BITMAR_TARGET __attribute__((noinline)) void multiply_block(const std::uint8_t* codes, std::size_t groups,
                                                            const std::int8_t* x, std::size_t stride,
                                                            const std::int32_t* starts, __m256i* results) {
  __m256i sums[kTokens][2];
#pragma GCC unroll 6
  for (std::size_t t = 0; t < kTokens; ++t) sums[t][0] = sums[t][1] = _mm256_set1_epi32(starts[t]);
  for (std::size_t group = 0; group < groups; ++group) {
    const auto* pair = reinterpret_cast<const __m256i*>(codes + group * 4 * kGroupBytes);
    const __m256i codes0 = _mm256_load_si256(pair);
    const __m256i codes1 = _mm256_load_si256(pair + 1);
#pragma GCC unroll 6
    for (std::size_t t = 0; t < kTokens; ++t) {
      const __m256i broadcast = broadcast4(x + t * stride + group * 4);
      multiply_add(sums[t][0], codes0, broadcast);
      multiply_add(sums[t][1], codes1, broadcast);
    }
  }
  const __m256i ones = _mm256_set1_epi16(1);
#pragma GCC unroll 6
  for (std::size_t t = 0; t < kTokens; ++t) {
    results[2 * t] = _mm256_madd_epi16(sums[t][0], ones);
    results[2 * t + 1] = _mm256_madd_epi16(sums[t][1], ones);
  }
}

template <std::size_t kTokens>
BITMAR_TARGET void block_times_tokens(const Output& out, const Block& block, std::size_t row, std::size_t token) {
  const std::size_t stride = out.x->stride;
  const std::int8_t* x = out.x->codes + token * stride + block.first_group * 4;
  std::int32_t starts[kTokens];
  for (std::size_t t = 0; t < kTokens; ++t) {
    const std::int16_t* column_sums = out.x->column_sums + (token + t) * 2 * sum_blocks(stride);
    std::int16_t start[2] = {0, 0};
    for (std::size_t group = 0; group < block.groups; group += kBlockGroups) {
      const std::int16_t* sums = column_sums + (block.first_group + group) / kBlockGroups * 2;
      start[0] = static_cast<std::int16_t>(start[0] - sums[0]);
      start[1] = static_cast<std::int16_t>(start[1] - sums[1]);
    }
    std::memcpy(&starts[t], start, sizeof start);
  }
  for (std::size_t half = 0; half < 2 && row + half * 16 < out.row_end; ++half) {
    __m256i results[2 * kTokens];
    multiply_block<kTokens>(block.codes + half * 2 * kGroupBytes, block.groups, x, stride, starts, results);
    for (std::size_t t = 0; t < kTokens; ++t) {
      finish_rows(out, block, token + t, row + half * 16, results[2 * t]);
      finish_rows(out, block, token + t, row + half * 16 + 8, results[2 * t + 1]);
    }
  }
}

BITMAR_TARGET void tile_times_tokens(const Output& out, const std::uint8_t* tile, std::size_t row) {
  alignas(64) std::uint8_t unpacked[kUnpackedGroups * 4 * kGroupBytes];
  const std::size_t groups = out.x->stride / 4;
  for (std::size_t first = 0; first < groups; first += kUnpackedGroups) {
    const std::size_t count = groups - first < kUnpackedGroups ? groups - first : kUnpackedGroups;
    unpack(tile + first * kGroupBytes, count, unpacked);
    const Block block{unpacked, first, count, first == 0, first + count == groups};
    std::size_t token = 0;
    for (; token + kGemmTokens <= out.x->tokens; token += kGemmTokens) {
      block_times_tokens<kGemmTokens>(out, block, row, token);
    }
    switch (out.x->tokens - token) {
      case 5:
        block_times_tokens<5>(out, block, row, token);
        break;
      case 4:
        block_times_tokens<4>(out, block, row, token);
        break;
      case 3:
        block_times_tokens<3>(out, block, row, token);
        break;
      case 2:
        block_times_tokens<2>(out, block, row, token);
        break;
      case 1:
        block_times_tokens<1>(out, block, row, token);
        break;
      default:
        break;
    }
  }
}

BITMAR_TARGET void ternary_linear(const PackedMatrix* weights, const ActivationRows* x, std::size_t row_begin,
                                  std::size_t row_end, float* out) {
  // From this many tokens on, unpacking once for all of them is cheaper.
  constexpr std::size_t kUnpackTokens = 3;
  const Output output{weights, x, row_end, out};
  const std::size_t tile_bytes = x->stride / 4 * kGroupBytes;
  for (std::size_t row = row_begin; row < row_end; row += kTileRows) {
    const std::uint8_t* tile = weights->data + row / kTileRows * tile_bytes;
    if (x->tokens >= kUnpackTokens) {
      tile_times_tokens(output, tile, row);
    } else {
      for (std::size_t t = 0; t < x->tokens; ++t) tile_times_token(output, tile, row, t);
    }
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
