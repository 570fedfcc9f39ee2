// Integer products on plain ARMv8-A, which has no instruction for dot products: what quad_dots.h and quad_linear.h ask
// for, as text for neon.cpp.
//
// Ternary: value * activation fits eight bits, and `sadalp` adds such products by pairs to 16-bit sums. 128 groups of 4
// columns fit: 128 * 2 * 127 = 32512. That is half the instructions of `smlal`, shared between two pipelines.
//
// Signed bytes: `smull` and `smlal` make a sum of two products in 16 bits, 2 * 128 * 127 = 32512, which `sadalp` adds
// by pairs to 32-bit sums.

namespace {

constexpr std::size_t kInt8Tokens = 2;
constexpr std::size_t kValueQuads = 2;
constexpr std::size_t kTernaryTokens = 4;
constexpr std::size_t kBlockColumns16 = 512;  // between two widenings of 16-bit sums

// Rows 0 and 1, rows 2 and 3; two lanes a row.
struct DotSums {
  int32x4_t low, high;
};
// Columns 0 to 3 and 4 to 7, repeated.
struct EightCodes {
  int8x16_t first, second;
};

inline DotSums no_sums() { return {vdupq_n_s32(0), vdupq_n_s32(0)}; }
inline IntQuad finished(DotSums sums) { return vpaddq_s32(sums.low, sums.high); }

// Four codes, repeated.
inline int8x16_t four_times(const std::int8_t* codes) {
  std::int32_t word;
  std::memcpy(&word, codes, sizeof word);
  return vreinterpretq_s8_s32(vdupq_n_s32(word));
}
inline EightCodes eight_codes(const std::int8_t* codes) { return {four_times(codes), four_times(codes + 4)}; }

inline void add_products(DotSums& sums, Bytes first, Bytes second, EightCodes x) {
  const int16x8_t low = vmull_s8(vget_low_s8(first), vget_low_s8(x.first));
  const int16x8_t high = vmull_high_s8(first, x.first);
  sums.low = vpadalq_s16(sums.low, vmlal_s8(low, vget_low_s8(second), vget_low_s8(x.second)));
  sums.high = vpadalq_s16(sums.high, vmlal_high_s8(high, second, x.second));
}

// The values of 16 rows by 4 columns from their packed codes.
struct TileValues {
  int8x16_t pairs[4];
};

// Two tables turn a half of a byte, two codes, into the value of its lower and of its upper code.
inline TileValues tile_values(const std::uint8_t* packed) {
  const int8x16_t lower = {-1, 0, 1, 2, -1, 0, 1, 2, -1, 0, 1, 2, -1, 0, 1, 2};
  const int8x16_t upper = {-1, -1, -1, -1, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2};
  const uint8x16_t bytes = vld1q_u8(packed);
  const uint8x16_t low = vandq_u8(bytes, vdupq_n_u8(0x0F));
  const uint8x16_t high = vshrq_n_u8(bytes, 4);
  return {{vqtbl1q_s8(lower, low), vqtbl1q_s8(upper, low), vqtbl1q_s8(lower, high), vqtbl1q_s8(upper, high)}};
}

template <std::size_t kTiles, std::size_t kCount>
__attribute__((noinline)) void ternary_sums(const ActivationRows& x, const std::uint8_t* tile, std::size_t token,
                                            IntQuad (&results)[kTiles][kCount][4]) {
  const std::int8_t* codes = x.codes + token * x.stride;
  const std::size_t tile_bytes = x.stride * 4;
  for (auto& tile_results : results) {
    for (auto& token_results : tile_results) {
      for (IntQuad& result : token_results) result = vdupq_n_s32(0);
    }
  }
  for (std::size_t begin = 0; begin < x.stride; begin += kBlockColumns16) {
    const std::size_t end = begin + kBlockColumns16 < x.stride ? begin + kBlockColumns16 : x.stride;
    int16x8_t sums[kTiles][kCount][4];
#pragma GCC unroll 2
    for (std::size_t i = 0; i < kTiles; ++i) {
#pragma GCC unroll 4
      for (std::size_t t = 0; t < kCount; ++t) {
#pragma GCC unroll 4
        for (std::size_t p = 0; p < 4; ++p) sums[i][t][p] = vdupq_n_s16(0);
      }
    }
    for (std::size_t column = begin; column < end; column += 4) {
#pragma GCC unroll 2
      for (std::size_t i = 0; i < kTiles; ++i) {
        const TileValues values = tile_values(tile + i * tile_bytes + column * 4);
#pragma GCC unroll 4
        for (std::size_t t = 0; t < kCount; ++t) {
          const int8x16_t four = four_times(codes + t * x.stride + column);
#pragma GCC unroll 4
          for (std::size_t p = 0; p < 4; ++p) {
            sums[i][t][p] = vpadalq_s8(sums[i][t][p], vmulq_s8(values.pairs[p], four));
          }
        }
      }
    }
#pragma GCC unroll 2
    for (std::size_t i = 0; i < kTiles; ++i) {
#pragma GCC unroll 4
      for (std::size_t t = 0; t < kCount; ++t) {
#pragma GCC unroll 4
        for (std::size_t p = 0; p < 4; ++p) results[i][t][p] = vpadalq_s16(results[i][t][p], sums[i][t][p]);
      }
    }
  }
}

}  // namespace
