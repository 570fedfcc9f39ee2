// Integer products on AVX-512 VNNI: `vpdpbusd` adds four products of unsigned by signed bytes to each 32-bit lane. Text
// for avx512.cpp, after token_chunks.h; the layouts are those of tile_packing.h with 16 lanes.
//
// Ternary codes are used where they lie in their byte: a bit pair p is 4^p times too large, which one exact shift of
// the finished sum takes back. Codes are value + 1, so the sum of the activations is subtracted at last.

namespace {

constexpr std::size_t kTileRows = 64;
constexpr std::size_t kTileGroup = 64;  // bytes: 64 rows of 4 columns
constexpr std::size_t kPrefetchBytes = 4096;

// Scales and stores the finished sums of 16 rows, as many as there are.
BITMAR_TARGET inline void store_sums(const Output& out, std::size_t token, std::size_t row, __m512i sums,
                                     __m512 scale) {
  if (row >= out.row_end) return;
  float* target = out.values + token * out.weights->rows + row;
  __m512 result = _mm512_mul_ps(_mm512_cvtepi32_ps(sums), scale);
  if (row + 16 <= out.row_end) [[likely]] {
    if (out.weights->bias != nullptr) result = _mm512_add_ps(result, _mm512_loadu_ps(out.weights->bias + row));
    _mm512_storeu_ps(target, result);
    return;
  }
  const std::size_t count = out.row_end - row;
  if (out.weights->bias != nullptr) result = _mm512_add_ps(result, load_first(out.weights->bias + row, count));
  store_first(target, count, result);
}

// The four sums of a tile's row, made equal in scale.
BITMAR_TARGET inline void store_tile(const Output& out, std::size_t token, std::size_t row, __m512 scale,
                                     __m512i offset, __m512i sum0, __m512i sum1, __m512i sum2, __m512i sum3) {
  store_sums(out, token, row, _mm512_sub_epi32(sum0, offset), scale);
  store_sums(out, token, row + 16, _mm512_sub_epi32(_mm512_srai_epi32(sum1, 2), offset), scale);
  store_sums(out, token, row + 32, _mm512_sub_epi32(_mm512_srai_epi32(sum2, 4), offset), scale);
  store_sums(out, token, row + 48, _mm512_sub_epi32(_mm512_srai_epi32(sum3, 6), offset), scale);
}

// What happens to the sums of a tile times the only token: stored as outputs, or only the largest kept.
struct StoreOutputs {
  const Output& out;
  __m512 scale;
  __m512i offset;

  BITMAR_TARGET explicit StoreOutputs(const Output& output)
      : out(output),
        scale(_mm512_set1_ps(output.weights->scale * output.x->inverse_scales[0])),
        offset(_mm512_set1_epi32(sum_of_codes(*output.x, 0))) {}
  BITMAR_TARGET inline void take(std::size_t row, __m512i sum0, __m512i sum1, __m512i sum2, __m512i sum3) {
    store_tile(out, 0, row, scale, offset, sum0, sum1, sum2, sum3);
  }
};

struct KeepLargest {
  std::size_t row_end;
  __m512i sums = _mm512_set1_epi32(-0x7FFFFFFF - 1);  // each lane's largest, and its first row
  __m512i rows = _mm512_setzero_si512();

  BITMAR_TARGET inline void take(std::size_t row, __m512i sum0, __m512i sum1, __m512i sum2, __m512i sum3) {
    take_rows(row, sum0);
    take_rows(row + 16, _mm512_srai_epi32(sum1, 2));
    take_rows(row + 32, _mm512_srai_epi32(sum2, 4));
    take_rows(row + 48, _mm512_srai_epi32(sum3, 6));
  }
  BITMAR_TARGET inline void take_rows(std::size_t row, __m512i candidates) {
    if (row >= row_end) return;
    const __mmask16 there = row_end - row < 16 ? first_lanes(row_end - row) : static_cast<__mmask16>(0xFFFF);
    const __mmask16 larger = _mm512_mask_cmpgt_epi32_mask(there, candidates, sums);
    sums = _mm512_mask_mov_epi32(sums, larger, candidates);
    rows = _mm512_mask_mov_epi32(rows, larger, _mm512_set1_epi32(static_cast<int>(row)));
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
  const __m512i pair1 = _mm512_set1_epi8(0x0C);
  const __m512i pair2 = _mm512_set1_epi8(0x30);
  const __m512i pair3 = _mm512_set1_epi8(static_cast<char>(0xC0));
  __m512i sums[kTiles][4];
#pragma GCC unroll 4
  for (std::size_t i = 0; i < kTiles; ++i) sums[i][0] = sums[i][1] = sums[i][2] = sums[i][3] = _mm512_setzero_si512();
  for (std::size_t column = 0; column < x_rows.stride; column += 16) {
#pragma GCC unroll 4
    for (std::size_t step = 0; step < 16; step += 4) {
      const __m512i x = broadcast4(codes + column + step);
#pragma GCC unroll 4
      for (std::size_t i = 0; i < kTiles; ++i) {
        const std::uint8_t* group = tile + i * tile_bytes + (column + step) * (kTileGroup / 4);
        const __m512i packed = _mm512_load_si512(group);
        _mm_prefetch(reinterpret_cast<const char*>(group) + kPrefetchBytes, _MM_HINT_T0);
        multiply_add(sums[i][0], packed, x);
        multiply_add(sums[i][1], _mm512_and_si512(packed, pair1), x);
        multiply_add(sums[i][2], _mm512_and_si512(packed, pair2), x);
        multiply_add(sums[i][3], _mm512_and_si512(packed, pair3), x);
      }
    }
  }
#pragma GCC unroll 4
  for (std::size_t i = 0; i < kTiles; ++i) {
    const __m512i others = _mm512_add_epi32(_mm512_add_epi32(sums[i][1], sums[i][2]), sums[i][3]);
    const __m512i lowest = _mm512_sub_epi32(sums[i][0], others);
    sink.take(row + i * kTileRows, lowest, sums[i][1], sums[i][2], sums[i][3]);
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
  std::int32_t sums[16];
  std::int32_t rows[16];
  _mm512_storeu_si512(sums, keep.sums);
  _mm512_storeu_si512(rows, keep.rows);
  std::int32_t largest = sums[0];
  *row = static_cast<std::size_t>(rows[0]);
  for (std::size_t lane = 1; lane < 16; ++lane) {
    const std::size_t lane_row = static_cast<std::size_t>(rows[lane]) + lane;
    if (sums[lane] < largest || (sums[lane] == largest && lane_row > *row)) continue;
    largest = sums[lane];
    *row = lane_row;
  }
  return static_cast<float>(largest - sum_of_codes(*x, 0)) * (weights->scale * x->inverse_scales[0]);
}

// One tile times kCount tokens.
template <std::size_t kCount>
BITMAR_TARGET __attribute__((noinline)) void tile_times_few(const Chunk& chunk, std::size_t row, std::size_t token) {
  const Output& out = chunk.out;
  const std::size_t stride = out.x->stride;
  const std::uint8_t* tile = out.weights->data + row / kTileRows * (stride / 4 * kTileGroup);
  const std::int8_t* codes = out.x->codes + token * stride;
  const __m512i pair0 = _mm512_set1_epi8(0x03);
  const __m512i pair1 = _mm512_set1_epi8(0x0C);
  const __m512i pair2 = _mm512_set1_epi8(0x30);
  const __m512i pair3 = _mm512_set1_epi8(static_cast<char>(0xC0));
  __m512i sums[kCount][4];
#pragma GCC unroll 8
  for (std::size_t t = 0; t < kCount; ++t) sums[t][0] = sums[t][1] = sums[t][2] = sums[t][3] = _mm512_setzero_si512();
  for (std::size_t column = 0; column < stride; column += 4) {
    const __m512i packed = _mm512_load_si512(tile + column * (kTileGroup / 4));
    const __m512i w0 = _mm512_and_si512(packed, pair0);
    const __m512i w1 = _mm512_and_si512(packed, pair1);
    const __m512i w2 = _mm512_and_si512(packed, pair2);
    const __m512i w3 = _mm512_and_si512(packed, pair3);
#pragma GCC unroll 8
    for (std::size_t t = 0; t < kCount; ++t) {
      const __m512i x = broadcast4(codes + t * stride + column);
      multiply_add(sums[t][0], w0, x);
      multiply_add(sums[t][1], w1, x);
      multiply_add(sums[t][2], w2, x);
      multiply_add(sums[t][3], w3, x);
    }
  }
#pragma GCC unroll 8
  for (std::size_t t = 0; t < kCount; ++t) {
    const __m512 scale = _mm512_set1_ps(chunk.scales[token + t]);
    const __m512i offset = _mm512_set1_epi32(chunk.offsets[token + t]);
    store_tile(out, token + t, row, scale, offset, sums[t][0], sums[t][1], sums[t][2], sums[t][3]);
  }
}

template <std::size_t kCount>
BITMAR_TARGET inline void tile_times_tokens(const Chunk& chunk, std::size_t row, std::size_t token, std::size_t count) {
  if (count == kCount) return tile_times_few<kCount>(chunk, row, token);
  if constexpr (kCount > 1) tile_times_tokens<kCount - 1>(chunk, row, token, count);
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
  const std::size_t stride = out.x->stride;
  const std::uint8_t* panel = out.weights->data + row * stride;
  const std::int8_t* codes = out.x->codes + token * stride;
  __m512i sums[kCount][kPanels];
#pragma GCC unroll 8
  for (std::size_t t = 0; t < kCount; ++t) {
    const __m512i start = _mm512_set1_epi32(-128 * chunk.offsets[token + t]);
#pragma GCC unroll 8
    for (std::size_t p = 0; p < kPanels; ++p) sums[t][p] = start;
  }
  for (std::size_t column = 0; column < stride; column += 4) {
    __m512i w[kPanels];
#pragma GCC unroll 8
    for (std::size_t p = 0; p < kPanels; ++p) w[p] = _mm512_load_si512(panel + p * 16 * stride + column * 16);
#pragma GCC unroll 8
    for (std::size_t t = 0; t < kCount; ++t) {
      const __m512i x = broadcast4(codes + t * stride + column);
#pragma GCC unroll 8
      for (std::size_t p = 0; p < kPanels; ++p) multiply_add(sums[t][p], w[p], x);
    }
  }
#pragma GCC unroll 8
  for (std::size_t t = 0; t < kCount; ++t) {
    const __m512 inverse = _mm512_set1_ps(chunk.x.inverse_scales[token + t]);
#pragma GCC unroll 8
    for (std::size_t p = 0; p < kPanels; ++p) {
      const std::size_t first = row + p * 16;
      if (first >= out.row_end) break;
      const std::size_t count = out.row_end - first < 16 ? out.row_end - first : 16;
      const __m512 scale = _mm512_mul_ps(load_first(out.weights->row_scales + first, count), inverse);
      store_sums(out, token + t, first, sums[t][p], scale);
    }
  }
}

template <std::size_t kCount, std::size_t kPanels>
BITMAR_TARGET inline void panels_times_tokens(const Chunk& chunk, std::size_t row, std::size_t token,
                                              std::size_t count) {
  if (count == kCount) return panels_times_codes<kCount, kPanels>(chunk, row, token);
  if constexpr (kCount > 1) panels_times_tokens<kCount - 1, kPanels>(chunk, row, token, count);
}

// 64 rows, or what is left: the packed rows are a multiple of 16.
BITMAR_TARGET inline void four_panels(const Chunk& chunk, std::size_t row, std::size_t token, std::size_t count) {
  const std::size_t packed_rows = round_up(chunk.out.weights->rows, 16);
  if (row + 64 <= packed_rows) return panels_times_tokens<kTokens, 4>(chunk, row, token, count);
  for (; row < chunk.out.row_end; row += 16) panels_times_tokens<kTokens, 1>(chunk, row, token, count);
}

BITMAR_TARGET void int8_linear(const PackedMatrix* weights, const ActivationRows* x, std::size_t row_begin,
                               std::size_t row_end, float* values) {
  for_all_tokens<64, four_panels>(weights, x, row_begin, row_end, values);
}

}  // namespace
