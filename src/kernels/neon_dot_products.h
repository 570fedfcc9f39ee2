// Integer products with `sdot`, which adds four products of signed bytes to each 32-bit lane: what quad_dots.h and
// quad_linear.h ask for, as text for neon_dotprod.cpp and neon_i8mm.cpp.
//
// Ternary codes are used where they lie in their byte, a bit pair p 4^p times too large, as on AVX-512. The bytes are
// packed with their highest bit flipped, so that as signed numbers they are 128 less, the highest pair 2 less. The
// whole byte is multiplied instead of its lowest pair, which saves a mask: the other pairs' sums are subtracted from
// it.

namespace {

constexpr std::size_t kInt8Tokens = BITMAR_DOT_TOKENS;
constexpr std::size_t kValueQuads = 4;
constexpr std::size_t kTernaryTokens = BITMAR_DOT_TOKENS;

using DotSums = int32x4_t;
using EightCodes = int8x8_t;

BITMAR_TARGET inline DotSums no_sums() { return vdupq_n_s32(0); }
BITMAR_TARGET inline IntQuad finished(DotSums sums) { return sums; }
BITMAR_TARGET inline EightCodes eight_codes(const std::int8_t* codes) { return vld1_s8(codes); }
BITMAR_TARGET inline void add_products(DotSums& sums, Bytes first, Bytes second, EightCodes x) {
  sums = vdotq_lane_s32(vdotq_lane_s32(sums, first, x, 0), second, x, 1);
}

// Takes the factors and the offsets of codes in place out of a tile's sums: of whole bytes, then of pairs 1, 2 and 3.
BITMAR_TARGET inline void finish_tile(const ActivationRows& x, std::size_t token, IntQuad (&sums)[4]) {
  const IntQuad offset = vdupq_n_s32(sum_of_codes(x, token));
  sums[0] = vsubq_s32(vsubq_s32(sums[0], vaddq_s32(vaddq_s32(sums[1], sums[2]), sums[3])), offset);
  sums[1] = vsubq_s32(vshrq_n_s32(sums[1], 2), offset);
  sums[2] = vsubq_s32(vshrq_n_s32(sums[2], 4), offset);
  sums[3] = vaddq_s32(vshrq_n_s32(sums[3], 6), offset);
}

// The factors of a tile's four sums: a packed byte whole and its pairs 1, 2 and 3.
struct Masked {
  int8x16_t parts[4];
};
BITMAR_TARGET inline Masked masked(int8x16_t packed) {
  return {{packed, vandq_s8(packed, vdupq_n_s8(0x0C)), vandq_s8(packed, vdupq_n_s8(0x30)),
           vandq_s8(packed, vdupq_n_s8(-64))}};
}

// The products of 16 rows with 4 of the 16 columns in `x`.
template <int kStep, std::size_t kCount>
BITMAR_TARGET inline void add_group(IntQuad (&sums)[kCount][4], const std::uint8_t* packed,
                                    const int8x16_t (&x)[kCount]) {
  const Masked codes = masked(load_bytes(packed + kStep * 16));
#pragma GCC unroll 8
  for (std::size_t t = 0; t < kCount; ++t) {
#pragma GCC unroll 4
    for (std::size_t p = 0; p < 4; ++p) sums[t][p] = vdotq_laneq_s32(sums[t][p], codes.parts[p], x[t], kStep);
  }
}

template <std::size_t kTiles, std::size_t kCount>
BITMAR_TARGET __attribute__((noinline)) void ternary_sums(const ActivationRows& x, const std::uint8_t* tile,
                                                          std::size_t token, IntQuad (&results)[kTiles][kCount][4]) {
  const std::int8_t* codes = x.codes + token * x.stride;
  const std::size_t tile_bytes = x.stride * 4;
  IntQuad sums[kTiles][kCount][4];
#pragma GCC unroll 2
  for (std::size_t i = 0; i < kTiles; ++i) {
#pragma GCC unroll 8
    for (std::size_t t = 0; t < kCount; ++t) {
#pragma GCC unroll 4
      for (std::size_t p = 0; p < 4; ++p) sums[i][t][p] = vdupq_n_s32(0);
    }
  }
  for (std::size_t column = 0; column < x.stride; column += 16) {
    int8x16_t sixteen[kCount];
#pragma GCC unroll 8
    for (std::size_t t = 0; t < kCount; ++t) sixteen[t] = vld1q_s8(codes + t * x.stride + column);
#pragma GCC unroll 2
    for (std::size_t i = 0; i < kTiles; ++i) {
      const std::uint8_t* packed = tile + i * tile_bytes + column * 4;
      add_group<0>(sums[i], packed, sixteen);
      add_group<1>(sums[i], packed, sixteen);
      add_group<2>(sums[i], packed, sixteen);
      add_group<3>(sums[i], packed, sixteen);
    }
  }
#pragma GCC unroll 2
  for (std::size_t i = 0; i < kTiles; ++i) {
#pragma GCC unroll 8
    for (std::size_t t = 0; t < kCount; ++t) {
      finish_tile(x, token + t, sums[i][t]);
#pragma GCC unroll 4
      for (std::size_t p = 0; p < 4; ++p) results[i][t][p] = sums[i][t][p];
    }
  }
}

}  // namespace
