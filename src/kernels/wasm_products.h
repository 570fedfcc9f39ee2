// Integer products on WebAssembly's SIMD128: what quad_dots.h and quad_linear.h ask for, as text for wasm.cpp.
//
// `i32x4.dot_i16x8_s` adds two products of 16-bit numbers to each 32-bit lane. The bytes of a lane, 4 columns of a row,
// are taken as two such numbers twice: the even bytes and the odd ones. Ternary codes are used where they lie in their
// byte, a bit pair p 4^p times too large; codes are value + 1, so the sum of the activations is subtracted at last.

namespace {

constexpr std::size_t kInt8Tokens = 2;
constexpr std::size_t kValueQuads = 2;
constexpr std::size_t kTernaryTokens = 2;

using Bytes = v128_t;
using DotSums = v128_t;

// Bytes 0 and 2, bytes 1 and 3 of every lane as signed numbers of 16 bits.
struct SplitBytes {
  v128_t even, odd;
};
inline SplitBytes split(v128_t bytes) {
  return {wasm_i16x8_shr(wasm_i16x8_shl(bytes, 8), 8), wasm_i16x8_shr(bytes, 8)};
}
// Four codes, in every lane.
inline SplitBytes four_codes_split(const std::int8_t* codes) { return split(wasm_v128_load32_splat(codes)); }

struct EightCodes {
  SplitBytes first, second;
};
inline EightCodes eight_codes(const std::int8_t* codes) {
  return {four_codes_split(codes), four_codes_split(codes + 4)};
}

inline Bytes load_bytes(const void* bytes) { return wasm_v128_load(bytes); }
inline DotSums no_sums() { return wasm_i32x4_const_splat(0); }
inline IntQuad finished(DotSums sums) { return sums; }
inline void add_dot(DotSums& sums, v128_t a, v128_t b) { sums = wasm_i32x4_add(sums, wasm_i32x4_dot_i16x8(a, b)); }
inline void add_products(DotSums& sums, Bytes first, Bytes second, EightCodes x) {
  const SplitBytes first_bytes = split(first);
  const SplitBytes second_bytes = split(second);
  add_dot(sums, first_bytes.even, x.first.even);
  add_dot(sums, first_bytes.odd, x.first.odd);
  add_dot(sums, second_bytes.even, x.second.even);
  add_dot(sums, second_bytes.odd, x.second.odd);
}

// 0x8080 - w = high * 65536 + (middle + 128) * 256 + (low + 128): bytes 2, 1 and 0, the last two moved by 128.
inline void digits_of_weights(std::uint8_t* block, IntQuad q0, IntQuad q1, IntQuad q2, IntQuad q3) {
  const v128_t offset = wasm_i32x4_const_splat(0x8080);
  const IntQuad weights[4] = {q0, q1, q2, q3};
  for (std::size_t i = 0; i < 4; ++i) {
    const v128_t digits = wasm_v128_xor(wasm_i32x4_sub(offset, weights[i]), offset);
    const v128_t planes = wasm_i8x16_shuffle(digits, digits, 2, 6, 10, 14, 1, 5, 9, 13, 0, 4, 8, 12, 3, 7, 11, 15);
    wasm_v128_store32_lane(block + i * 4, planes, 0);
    wasm_v128_store32_lane(block + 16 + i * 4, planes, 1);
    wasm_v128_store32_lane(block + 32 + i * 4, planes, 2);
  }
}

inline v128_t two_weights(v128_t high, v128_t middle, v128_t low) {
  const v128_t base = wasm_f64x2_const_splat(256.0);
  const v128_t upper =
      wasm_f64x2_add(wasm_f64x2_mul(wasm_f64x2_convert_low_i32x4(high), base), wasm_f64x2_convert_low_i32x4(middle));
  const v128_t total = wasm_f64x2_add(wasm_f64x2_mul(upper, base), wasm_f64x2_convert_low_i32x4(low));
  return wasm_f32x4_demote_f64x2_zero(total);
}
inline Quad weights_from_digits(IntQuad high, IntQuad middle, IntQuad low) {
  const v128_t first = two_weights(high, middle, low);
  const v128_t second = two_weights(quad::upper_half(high), quad::upper_half(middle), quad::upper_half(low));
  return wasm_f32x4_sub(quad::zeros(), wasm_i64x2_shuffle(first, second, 0, 2));  // 0, not -0, of 0
}

// The whole byte is multiplied instead of its lowest pair, which saves a mask: the other three pairs' sums are
// subtracted from it.
template <std::size_t kTiles, std::size_t kCount>
__attribute__((noinline)) void ternary_sums(const ActivationRows& x, const std::uint8_t* tile, std::size_t token,
                                            IntQuad (&results)[kTiles][kCount][4]) {
  const std::int8_t* codes = x.codes + token * x.stride;
  const std::size_t tile_bytes = x.stride * 4;
  const v128_t masks[4] = {wasm_i16x8_const_splat(0xFF), wasm_i16x8_const_splat(0x0C), wasm_i16x8_const_splat(0x30),
                           wasm_i16x8_const_splat(0xC0)};
  v128_t sums[kTiles][kCount][4];
  for (auto& tile_sums : sums) {
    for (auto& token_sums : tile_sums) {
      for (v128_t& sum : token_sums) sum = wasm_i32x4_const_splat(0);
    }
  }
  for (std::size_t column = 0; column < x.stride; column += 4) {
    SplitBytes four[kCount];
    for (std::size_t t = 0; t < kCount; ++t) four[t] = four_codes_split(codes + t * x.stride + column);
    for (std::size_t i = 0; i < kTiles; ++i) {
      const v128_t even = wasm_v128_load(tile + i * tile_bytes + column * 4);
      const v128_t odd = wasm_u16x8_shr(even, 8);
      for (std::size_t p = 0; p < 4; ++p) {
        const v128_t even_codes = wasm_v128_and(even, masks[p]);
        const v128_t odd_codes = p == 0 ? odd : wasm_v128_and(odd, masks[p]);
        for (std::size_t t = 0; t < kCount; ++t) {
          add_dot(sums[i][t][p], even_codes, four[t].even);
          add_dot(sums[i][t][p], odd_codes, four[t].odd);
        }
      }
    }
  }
  for (std::size_t i = 0; i < kTiles; ++i) {
    for (std::size_t t = 0; t < kCount; ++t) {
      const v128_t offset = wasm_i32x4_splat(sum_of_codes(x, token + t));
      const auto& sum = sums[i][t];
      const v128_t others = wasm_i32x4_add(wasm_i32x4_add(sum[1], sum[2]), sum[3]);
      results[i][t][0] = wasm_i32x4_sub(wasm_i32x4_sub(sum[0], others), offset);
      results[i][t][1] = wasm_i32x4_sub(wasm_i32x4_shr(sum[1], 2), offset);
      results[i][t][2] = wasm_i32x4_sub(wasm_i32x4_shr(sum[2], 4), offset);
      results[i][t][3] = wasm_i32x4_sub(wasm_i32x4_shr(sum[3], 6), offset);
    }
  }
}

}  // namespace
