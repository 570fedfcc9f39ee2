// The integer linear layers on vectors of four sums, NEON and WebAssembly; the layouts are those of tile_packing.h with
// 4 lanes for ternary tiles and 16 for int8 panels. Included as text, in the instruction set's own namespace, after
// quad_dots.h and
//
//   ternary_sums<kTiles, kCount>(x, tile, token, results): sum(value * activation) of kTiles tiles times kCount tokens,
//     results[tile][t][bit pair]
//   kTernaryTokens: the most tokens of one such call

namespace {

constexpr std::size_t kTileRows = 16;

struct Output {
  const PackedMatrix* weights;
  const ActivationRows* x;
  std::size_t row_end;
  float* values;  // [tokens, rows]
};

// values[row] to values[row + 3], 0 from `end` on.
BITMAR_TARGET inline Quad load_rows(const float* values, std::size_t row, std::size_t end) {
  if (row + 4 <= end) [[likely]]
    return quad::load(values + row);
  float rows[4] = {};
  for (std::size_t i = 0; row + i < end; ++i) rows[i] = values[row + i];
  return quad::load(rows);
}

// As many of the sums' 4 rows as there are.
BITMAR_TARGET inline void store_rows(const Output& out, std::size_t token, std::size_t row, IntQuad sums, Quad scale) {
  Quad result = quad::mul(quad::to_floats(sums), scale);
  float* target = out.values + token * out.weights->rows + row;
  if (row + 4 <= out.row_end) [[likely]] {
    if (out.weights->bias != nullptr) result = quad::add(result, quad::load(out.weights->bias + row));
    return quad::store(target, result);
  }
  float rows[4];
  quad::store(rows, result);
  for (std::size_t i = 0; row + i < out.row_end; ++i) {
    target[i] = out.weights->bias == nullptr ? rows[i] : rows[i] + out.weights->bias[row + i];
  }
}

template <std::size_t kTiles, std::size_t kCount>
BITMAR_TARGET inline void ternary_tiles(const Output& out, std::size_t row, std::size_t token) {
  const std::uint8_t* tile = out.weights->data + row * out.x->stride / 4;
  IntQuad results[kTiles][kCount][4];
  ternary_sums<kTiles, kCount>(*out.x, tile, token, results);
  for (std::size_t t = 0; t < kCount; ++t) {
    const Quad scale = quad::spread(out.weights->scale * out.x->inverse_scales[token + t]);
    for (std::size_t i = 0; i < 4 * kTiles; ++i) {
      store_rows(out, token + t, row + i * 4, results[i / 4][t][i % 4], scale);
    }
  }
}

template <std::size_t kCount>
BITMAR_TARGET inline void last_ternary_tokens(const Output& out, std::size_t row, std::size_t token,
                                              std::size_t count) {
  if (count == kCount) return ternary_tiles<1, kCount>(out, row, token);
  if constexpr (kCount > 1) last_ternary_tokens<kCount - 1>(out, row, token, count);
}

BITMAR_TARGET void ternary_linear(const PackedMatrix* weights, const ActivationRows* x, std::size_t row_begin,
                                  std::size_t row_end, float* values) {
  const Output out{weights, x, row_end, values};
  std::size_t row = row_begin;
  if (x->tokens == 1) {
    for (; row + kTileRows < row_end; row += 2 * kTileRows) ternary_tiles<2, 1>(out, row, 0);
  }
  for (; row < row_end; row += kTileRows) {
    std::size_t token = 0;
    for (; token + kTernaryTokens <= x->tokens; token += kTernaryTokens) {
      ternary_tiles<1, kTernaryTokens>(out, row, token);
    }
    if (token < x->tokens) last_ternary_tokens<kTernaryTokens - 1>(out, row, token, x->tokens - token);
  }
}

template <std::size_t kCount>
BITMAR_TARGET inline void int8_panel(const Output& out, std::size_t row, std::size_t token) {
  IntQuad results[kCount][4];
  int8_sums<kCount>(*out.x, out.weights->data + row * out.x->stride, token, results);
  for (std::size_t t = 0; t < kCount; ++t) {
    const float inverse = out.x->inverse_scales[token + t];
    for (std::size_t first = row; first < row + kPanelRows; first += 4) {
      const Quad scale = quad::mul(load_rows(out.weights->row_scales, first, out.row_end), quad::spread(inverse));
      store_rows(out, token + t, first, results[t][(first - row) / 4], scale);
    }
  }
}

template <std::size_t kCount>
BITMAR_TARGET inline void last_int8_tokens(const Output& out, std::size_t row, std::size_t token, std::size_t count) {
  if (count == kCount) return int8_panel<kCount>(out, row, token);
  if constexpr (kCount > 1) last_int8_tokens<kCount - 1>(out, row, token, count);
}

BITMAR_TARGET void int8_linear(const PackedMatrix* weights, const ActivationRows* x, std::size_t row_begin,
                               std::size_t row_end, float* values) {
  const Output out{weights, x, row_end, values};
  for (std::size_t row = row_begin; row < row_end; row += kPanelRows) {
    std::size_t token = 0;
    for (; token + kInt8Tokens <= x->tokens; token += kInt8Tokens) int8_panel<kInt8Tokens>(out, row, token);
    if (token < x->tokens) last_int8_tokens<kInt8Tokens - 1>(out, row, token, x->tokens - token);
  }
}

}  // namespace
