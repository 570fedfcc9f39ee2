// Integer products on 256-bit `vpdpbusd`, as on AVX-512 (avx512_products.h) with half the lanes and half the registers:
// text for avxvnni.cpp and avx512vnni_256.cpp, after avxvnni_attention.h, lane_products.h and
// token_chunks.h. The layouts are those of
// tile_packing.h with 8 lanes, of int8 with 16.
//
// Ternary codes are used where they lie in their byte: a bit pair p is 4^p times too large, which one exact shift of
// the finished sum takes back. Codes are value + 1, so the sum of the activations is subtracted at last.

namespace {

constexpr std::size_t kTileRows = 32;
constexpr std::size_t kTileGroup = 32;  // bytes: 32 rows of 4 columns
constexpr std::size_t kPrefetchBytes = 4096;

// The codes of a bit pair, in place.
BITMAR_TARGET inline __m256i pair_of(std::size_t pair, __m256i packed) {
  return _mm256_and_si256(packed, _mm256_set1_epi8(static_cast<char>(0x03 << 2 * pair)));
}

// What happens to the sums of a tile times the only token: stored as outputs, or only the largest kept.
struct StoreOutputs {
  const Output& out;
  __m256 scale;
  __m256i offset;

  BITMAR_TARGET explicit StoreOutputs(const Output& output)
      : out(output),
        scale(_mm256_set1_ps(output.weights->scale * output.x->inverse_scales[0])),
        offset(_mm256_set1_epi32(sum_of_codes(*output.x, 0))) {}
  BITMAR_TARGET inline void take(std::size_t row, __m256i sums) {
    store_rows(out, 0, row, _mm256_sub_epi32(sums, offset), scale);
  }
};

struct KeepLargest {
  std::size_t row_end;
  __m256i sums = _mm256_set1_epi32(-0x7FFFFFFF - 1);  // each lane's largest, and its first row
  __m256i rows = _mm256_setzero_si256();

  BITMAR_TARGET inline void take(std::size_t row, __m256i candidates) {
    if (row + 8 > row_end) [[unlikely]] {
      const __m256i there = first_lanes(row < row_end ? static_cast<int>(row_end - row) : 0);
      candidates = _mm256_blendv_epi8(_mm256_set1_epi32(-0x7FFFFFFF - 1), candidates, there);
    }
    const __m256i larger = _mm256_cmpgt_epi32(candidates, sums);
    sums = _mm256_max_epi32(candidates, sums);
    rows = _mm256_blendv_epi8(rows, _mm256_set1_epi32(static_cast<int>(row)), larger);
  }
};

// kTiles tiles times one token. The whole byte is multiplied instead of its lowest pair, which saves a mask: the other
// three pairs' sums are subtracted from it.
template <std::size_t kTiles, typename Sink>
BITMAR_TARGET inline void tiles_times_token(const PackedMatrix& weights, const ActivationRows& x_rows, std::size_t row,
                                            Sink& sink) {
  const std::size_t tile_bytes = x_rows.stride / 4 * kTileGroup;
  const std::uint8_t* tile = weights.data + row / kTileRows * tile_bytes;
  const std::int8_t* codes = x_rows.codes;
  __m256i sums[kTiles][4];
#pragma GCC unroll 2
  for (std::size_t i = 0; i < kTiles; ++i) sums[i][0] = sums[i][1] = sums[i][2] = sums[i][3] = _mm256_setzero_si256();
  for (std::size_t column = 0; column < x_rows.stride; column += 16) {
#pragma GCC unroll 4
    for (std::size_t step = 0; step < 16; step += 4) {
      const __m256i x = broadcast4(codes + column + step);
#pragma GCC unroll 2
      for (std::size_t i = 0; i < kTiles; ++i) {
        const std::uint8_t* group = tile + i * tile_bytes + (column + step) * (kTileGroup / 4);
        const __m256i packed = load_bytes(group);
        if (step % 8 == 0) _mm_prefetch(reinterpret_cast<const char*>(group) + kPrefetchBytes, _MM_HINT_T0);
        multiply_add(sums[i][0], packed, x);
        multiply_add(sums[i][1], pair_of(1, packed), x);
        multiply_add(sums[i][2], pair_of(2, packed), x);
        multiply_add(sums[i][3], pair_of(3, packed), x);
      }
    }
  }
#pragma GCC unroll 2
  for (std::size_t i = 0; i < kTiles; ++i) {
    const __m256i others = _mm256_add_epi32(_mm256_add_epi32(sums[i][1], sums[i][2]), sums[i][3]);
    const std::size_t first = row + i * kTileRows;
    sink.take(first, _mm256_sub_epi32(sums[i][0], others));
    sink.take(first + 8, _mm256_srai_epi32(sums[i][1], 2));
    sink.take(first + 16, _mm256_srai_epi32(sums[i][2], 4));
    sink.take(first + 24, _mm256_srai_epi32(sums[i][3], 6));
  }
}

template <typename Sink>
BITMAR_TARGET inline void all_times_token(const PackedMatrix& weights, const ActivationRows& x, std::size_t row,
                                          std::size_t row_end, Sink& sink) {
  for (; row + kTileRows < row_end; row += 2 * kTileRows) tiles_times_token<2>(weights, x, row, sink);
  if (row < row_end) tiles_times_token<1>(weights, x, row, sink);
}

BITMAR_TARGET float ternary_largest(const PackedMatrix* weights, const ActivationRows* x, std::size_t row_begin,
                                    std::size_t row_end, std::size_t* row) {
  KeepLargest keep{row_end};
  all_times_token(*weights, *x, row_begin, row_end, keep);
  std::int32_t sums[8];
  std::int32_t rows[8];
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(sums), keep.sums);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(rows), keep.rows);
  std::int32_t largest = sums[0];
  *row = static_cast<std::size_t>(rows[0]);
  for (std::size_t lane = 1; lane < 8; ++lane) {
    const std::size_t lane_row = static_cast<std::size_t>(rows[lane]) + lane;
    if (sums[lane] < largest || (sums[lane] == largest && lane_row > *row)) continue;
    largest = sums[lane];
    *row = lane_row;
  }
  return static_cast<float>(largest - sum_of_codes(*x, 0)) * (weights->scale * x->inverse_scales[0]);
}

// kPairs bit pairs of a tile from kFirst on, 8 rows each, times kCount tokens.
template <std::size_t kFirst, std::size_t kPairs, std::size_t kCount>
BITMAR_TARGET __attribute__((noinline)) void pairs_times_tokens(const Chunk& chunk, std::size_t row,
                                                                std::size_t token) {
  const Output& out = chunk.out;
  const std::size_t stride = out.x->stride;
  const std::uint8_t* tile = out.weights->data + row / kTileRows * (stride / 4 * kTileGroup);
  const std::int8_t* codes = out.x->codes + token * stride;
  __m256i sums[kCount][kPairs];
#pragma GCC unroll 8
  for (std::size_t t = 0; t < kCount; ++t) {
#pragma GCC unroll 4
    for (std::size_t p = 0; p < kPairs; ++p) sums[t][p] = _mm256_setzero_si256();
  }
  for (std::size_t column = 0; column < stride; column += 4) {
    const __m256i packed = load_bytes(tile + column * (kTileGroup / 4));
    __m256i w[kPairs];
#pragma GCC unroll 4
    for (std::size_t p = 0; p < kPairs; ++p) w[p] = pair_of(kFirst + p, packed);
#pragma GCC unroll 8
    for (std::size_t t = 0; t < kCount; ++t) {
      const __m256i x = broadcast4(codes + t * stride + column);
#pragma GCC unroll 4
      for (std::size_t p = 0; p < kPairs; ++p) multiply_add(sums[t][p], w[p], x);
    }
  }
  const std::size_t first_row = row + kFirst * 8;
  const bool plain = first_row + kPairs * 8 <= out.row_end && out.weights->bias == nullptr;
  float* target = out.values + token * out.weights->rows + first_row;
#pragma GCC unroll 8
  for (std::size_t t = 0; t < kCount; ++t) {
    const __m256 scale = _mm256_set1_ps(chunk.scales[token + t]);
    const __m256i offset = _mm256_set1_epi32(chunk.offsets[token + t]);
#pragma GCC unroll 4
    for (std::size_t p = 0; p < kPairs; ++p) {
      const __m256i whole = _mm256_srai_epi32(sums[t][p], static_cast<int>(2 * (kFirst + p)));
      const __m256i sum = _mm256_sub_epi32(whole, offset);
      if (plain) [[likely]] {
        _mm256_storeu_ps(target + p * 8, _mm256_mul_ps(_mm256_cvtepi32_ps(sum), scale));
      } else {
        store_rows(out, token + t, first_row + p * 8, sum, scale);
      }
    }
    target += out.weights->rows;
  }
}

template <std::size_t kCount>
BITMAR_TARGET inline void tile_times_tokens(const Chunk& chunk, std::size_t row, std::size_t token, std::size_t count) {
  if (count != kCount) {
    if constexpr (kCount > 1) tile_times_tokens<kCount - 1>(chunk, row, token, count);
  } else if constexpr (kCount <= 2) {
    pairs_times_tokens<0, 4, kCount>(chunk, row, token);
  } else {
    pairs_times_tokens<0, 2, kCount>(chunk, row, token);
    if (row + 16 < chunk.out.row_end) pairs_times_tokens<2, 2, kCount>(chunk, row, token);
  }
}

BITMAR_TARGET void ternary_linear(const PackedMatrix* weights, const ActivationRows* x, std::size_t row_begin,
                                  std::size_t row_end, float* values) {
  if (x->tokens != 1) {
    return for_all_tokens<kTileRows, tile_times_tokens<kTokens>>(weights, x, row_begin, row_end, values);
  }
  const Output out{weights, x, row_end, values};
  StoreOutputs store(out);
  all_times_token(*weights, *x, row_begin, row_end, store);
}

// Int8 codes lie as code + 128, unsigned; sums start at minus 128 times that of the activations.
template <std::size_t kCount, std::size_t kPanels>
BITMAR_TARGET __attribute__((noinline)) void panels_times_codes(const Chunk& chunk, std::size_t row,
                                                                std::size_t token) {
  const Output& out = chunk.out;
  constexpr std::size_t kVectors = 2 * kPanels;
  const std::size_t stride = out.x->stride;
  const std::uint8_t* panel = out.weights->data + row * stride;
  const std::int8_t* codes = out.x->codes + token * stride;
  __m256i sums[kCount][kVectors];
#pragma GCC unroll 8
  for (std::size_t t = 0; t < kCount; ++t) {
    const __m256i start = _mm256_set1_epi32(-128 * chunk.offsets[token + t]);
#pragma GCC unroll 8
    for (std::size_t v = 0; v < kVectors; ++v) sums[t][v] = start;
  }
  for (std::size_t column = 0; column < stride; column += 4) {
    __m256i w[kVectors];
#pragma GCC unroll 8
    for (std::size_t v = 0; v < kVectors; ++v) {
      w[v] = load_bytes(panel + v / 2 * 16 * stride + column * 16 + v % 2 * 32);
    }
#pragma GCC unroll 8
    for (std::size_t t = 0; t < kCount; ++t) {
      const __m256i x = broadcast4(codes + t * stride + column);
#pragma GCC unroll 8
      for (std::size_t v = 0; v < kVectors; ++v) multiply_add(sums[t][v], w[v], x);
    }
  }
#pragma GCC unroll 8
  for (std::size_t v = 0; v < kVectors; ++v) {
    const std::size_t first = row + v * 8;
    if (first >= out.row_end) break;
    const __m256 row_scales = load_lanes(out.weights->row_scales + first, out.row_end - first);
#pragma GCC unroll 8
    for (std::size_t t = 0; t < kCount; ++t) {
      const __m256 inverse = _mm256_set1_ps(chunk.x.inverse_scales[token + t]);
      store_rows(out, token + t, first, sums[t][v], _mm256_mul_ps(row_scales, inverse));
    }
  }
}

template <std::size_t kCount>
BITMAR_TARGET inline void one_panel(const Chunk& chunk, std::size_t row, std::size_t token, std::size_t count) {
  if (count == kCount) return panels_times_codes<kCount, 1>(chunk, row, token);
  if constexpr (kCount > 1) one_panel<kCount - 1>(chunk, row, token, count);
}

// For a single token, whose two sums would wait for each other.
BITMAR_TARGET inline void four_panels(const Chunk& chunk, std::size_t row, std::size_t token, std::size_t) {
  if (row + 64 <= chunk.out.row_end) return panels_times_codes<1, 4>(chunk, row, token);
  for (; row < chunk.out.row_end; row += 16) panels_times_codes<1, 1>(chunk, row, token);
}

BITMAR_TARGET void int8_linear(const PackedMatrix* weights, const ActivationRows* x, std::size_t row_begin,
                               std::size_t row_end, float* values) {
  if (x->tokens == 1) return for_all_tokens<64, four_panels>(weights, x, row_begin, row_end, values);
  for_all_tokens<16, one_panel<kTokens>>(weights, x, row_begin, row_end, values);
}

constexpr KernelTable vnni_table(const char* name) {
  KernelTable table = lane_table(name);
  table.ternary_packed_bytes = ternary_packed_bytes<8>;
  table.ternary_pack = ternary_pack<8>;
  table.int8_packed_bytes = int8_packed_bytes<16>;
  table.int8_pack = int8_pack<16, 0x80>;
  table.key_flip = 0x80;
  table.row_granule = 32;
  table.ternary_linear = ternary_linear;
  table.int8_linear = int8_linear;
  table.ternary_largest = ternary_largest;
  return table;
}

}  // namespace
