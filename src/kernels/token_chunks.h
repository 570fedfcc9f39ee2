// Products with many tokens, tile by tile and some tokens at a time. Text for the files of x86's kernels.

namespace {

constexpr std::size_t kTokens = 6;           // that a tile's registers hold the sums of
constexpr std::size_t kChunkTokens = 96;     // of a narrow matrix: their codes leave room in the first cache
constexpr std::size_t kNarrowColumns = 512;  // up to this many,
constexpr std::size_t kNarrowRows = 512;     // so many rows: ternary codes of 128 columns fit the first cache too

// Some of the tokens, with what every tile needs of each: a call between the products would cost all sums a store.
struct Chunk {
  ActivationRows x;
  Output out;  // of x
  std::int32_t offsets[kChunkTokens];
  float scales[kChunkTokens];
};

// How many of the tokens left to take next: about as many each time, because few sums wait for each other.
inline std::size_t next_tokens(std::size_t left) {
  const std::size_t times = (left + kTokens - 1) / kTokens;
  return (left + times - 1) / times;
}

// multiply(chunk, row, token, count) for tiles of kRows rows and all tokens. Several tiles of a narrow matrix meet the
// same tokens in turn: outputs then go to memory in longer pieces, half a page each: that is what bounds
// such a product.
template <std::size_t kRows, auto multiply>
BITMAR_TARGET inline void for_all_tokens(const PackedMatrix* weights, const ActivationRows* x, std::size_t row_begin,
                                         std::size_t row_end, float* values) {
  const std::size_t run = x->stride <= kNarrowColumns && kRows < kNarrowRows ? kNarrowRows : kRows;
  for (std::size_t first = 0; first < x->tokens; first += kChunkTokens) {
    Chunk chunk;
    chunk.x = *x;
    chunk.x.codes += first * x->stride;
    chunk.x.inverse_scales += first;
    chunk.x.column_sums += first * 2 * sum_blocks(x->stride);
    chunk.x.tokens = x->tokens - first < kChunkTokens ? x->tokens - first : kChunkTokens;
    chunk.out = {weights, &chunk.x, row_end, values + first * weights->rows};
    for (std::size_t t = 0; t < chunk.x.tokens; ++t) {
      chunk.offsets[t] = sum_of_codes(chunk.x, t);
      chunk.scales[t] = weights->scale * chunk.x.inverse_scales[t];
    }
    for (std::size_t row = row_begin; row < row_end; row += run) {
      const std::size_t end = row + run < row_end ? row + run : row_end;
      for (std::size_t token = 0; token < chunk.x.tokens;) {
        const std::size_t count = next_tokens(chunk.x.tokens - token);
        for (std::size_t tile = row; tile < end; tile += kRows) multiply(chunk, tile, token, count);
        token += count;
      }
    }
  }
}

}  // namespace
