// Products of batches with `smmla`, which adds the products of 2 rows of 8 codes with 2 tokens' 8: as text for
// neon_i8mm.cpp. The layouts are those of `sdot`, two groups of 4 columns zipped into rows of 8.

namespace {

// Two tokens' codes of 8 columns.
BITMAR_TARGET inline int8x16_t two_tokens(const std::int8_t* codes, std::size_t stride) {
  return vcombine_s8(vld1_s8(codes), vld1_s8(codes + stride));
}

// Rows 0 and 1 (2 and 3) by 8 columns, from two groups of 4.
BITMAR_TARGET inline int8x16_t lower_rows(Bytes first, Bytes second) {
  return vreinterpretq_s8_s32(vzip1q_s32(vreinterpretq_s32_s8(first), vreinterpretq_s32_s8(second)));
}
BITMAR_TARGET inline int8x16_t upper_rows(Bytes first, Bytes second) {
  return vreinterpretq_s8_s32(vzip2q_s32(vreinterpretq_s32_s8(first), vreinterpretq_s32_s8(second)));
}

// Sums of two tokens by four rows: [token, row 0 and 1], [token, row 2 and 3].
struct PairSums {
  IntQuad lower, upper;
};
BITMAR_TARGET inline IntQuad sums_of_first(PairSums sums) {
  return vcombine_s32(vget_low_s32(sums.lower), vget_low_s32(sums.upper));
}
BITMAR_TARGET inline IntQuad sums_of_second(PairSums sums) {
  return vcombine_s32(vget_high_s32(sums.lower), vget_high_s32(sums.upper));
}

template <std::size_t kTiles, std::size_t kCount>
requires(kTiles == 1 && kCount % 2 == 0) BITMAR_TARGET
    __attribute__((noinline)) void ternary_sums(const ActivationRows& x, const std::uint8_t* tile, std::size_t token,
                                                IntQuad (&results)[kTiles][kCount][4]) {
  constexpr std::size_t kPairs = kCount / 2;
  const std::int8_t* codes = x.codes + token * x.stride;
  PairSums sums[kPairs][4];
#pragma GCC unroll 4
  for (std::size_t u = 0; u < kPairs; ++u) {
#pragma GCC unroll 4
    for (std::size_t p = 0; p < 4; ++p) sums[u][p] = {vdupq_n_s32(0), vdupq_n_s32(0)};
  }
  for (std::size_t column = 0; column < x.stride; column += 8) {
    int8x16_t tokens[kPairs];
#pragma GCC unroll 4
    for (std::size_t u = 0; u < kPairs; ++u) tokens[u] = two_tokens(codes + 2 * u * x.stride + column, x.stride);
    const Bytes first = load_bytes(tile + column * 4);
    const Bytes second = load_bytes(tile + column * 4 + 16);
    const Masked lower = masked(lower_rows(first, second));
#pragma GCC unroll 4
    for (std::size_t p = 0; p < 4; ++p) {
#pragma GCC unroll 4
      for (std::size_t u = 0; u < kPairs; ++u) {
        sums[u][p].lower = vmmlaq_s32(sums[u][p].lower, tokens[u], lower.parts[p]);
      }
    }
    const Masked upper = masked(upper_rows(first, second));
#pragma GCC unroll 4
    for (std::size_t p = 0; p < 4; ++p) {
#pragma GCC unroll 4
      for (std::size_t u = 0; u < kPairs; ++u) {
        sums[u][p].upper = vmmlaq_s32(sums[u][p].upper, tokens[u], upper.parts[p]);
      }
    }
  }
#pragma GCC unroll 4
  for (std::size_t u = 0; u < kPairs; ++u) {
#pragma GCC unroll 4
    for (std::size_t p = 0; p < 4; ++p) {
      results[0][2 * u][p] = sums_of_first(sums[u][p]);
      results[0][2 * u + 1][p] = sums_of_second(sums[u][p]);
    }
    finish_tile(x, token + 2 * u, results[0][2 * u]);
    finish_tile(x, token + 2 * u + 1, results[0][2 * u + 1]);
  }
}

template <std::size_t kCount>
requires(kCount % 2 == 0) BITMAR_TARGET
    __attribute__((noinline)) void int8_sums(const ActivationRows& x, const std::uint8_t* panel, std::size_t token,
                                             IntQuad (&results)[kCount][4]) {
  constexpr std::size_t kPairs = kCount / 2;
  const std::int8_t* codes = x.codes + token * x.stride;
  PairSums sums[kPairs][4];
#pragma GCC unroll 4
  for (std::size_t u = 0; u < kPairs; ++u) {
#pragma GCC unroll 4
    for (std::size_t q = 0; q < 4; ++q) sums[u][q] = {vdupq_n_s32(0), vdupq_n_s32(0)};
  }
  for (std::size_t column = 0; column < x.stride; column += 8) {
    const std::uint8_t* group = panel + column * 16;
    int8x16_t tokens[kPairs];
#pragma GCC unroll 4
    for (std::size_t u = 0; u < kPairs; ++u) tokens[u] = two_tokens(codes + 2 * u * x.stride + column, x.stride);
#pragma GCC unroll 4
    for (std::size_t q = 0; q < 4; ++q) {
      const Bytes first = load_bytes(group + q * 16);
      const Bytes second = load_bytes(group + 64 + q * 16);
      const int8x16_t lower = lower_rows(first, second);
      const int8x16_t upper = upper_rows(first, second);
#pragma GCC unroll 4
      for (std::size_t u = 0; u < kPairs; ++u) {
        sums[u][q].lower = vmmlaq_s32(sums[u][q].lower, tokens[u], lower);
        sums[u][q].upper = vmmlaq_s32(sums[u][q].upper, tokens[u], upper);
      }
    }
  }
#pragma GCC unroll 4
  for (std::size_t u = 0; u < kPairs; ++u) {
#pragma GCC unroll 4
    for (std::size_t q = 0; q < 4; ++q) {
      results[2 * u][q] = sums_of_first(sums[u][q]);
      results[2 * u + 1][q] = sums_of_second(sums[u][q]);
    }
  }
}

}  // namespace
