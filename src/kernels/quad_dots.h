// Products of signed bytes on vectors of four sums, NEON and WebAssembly. Included as text, in the instruction set's
// own namespace, after quad_lanes.h and after what that set defines:
//
//   Bytes: 16 codes, [4 rows, 4 columns]   load_bytes(p)
//   EightCodes: the codes of 8 columns that meet them   eight_codes(p)
//   DotSums: int32 sums of 4 rows, in whatever form   no_sums()   finished(sums)
//   add_products(sums, first, second, x): adds the first Bytes times codes 0 to 3 and the second times codes 4 to 7
//   weights_from_digits(high, middle, low): minus (high * 65536 + middle * 256 + low), rounded once
//   digits_of_weights(p, ints): see store_weights
//   kInt8Tokens: tokens by 16 rows whose sums fit the registers   kValueQuads: likewise, with 3 digits, in attention

namespace {

constexpr std::size_t kPanelRows = 16;
constexpr std::size_t kPanelGroup = 64;  // bytes: 16 rows of 4 columns

// results[t] = the int32 sums of a panel of int8 codes times token + t.
template <std::size_t kCount>
BITMAR_TARGET __attribute__((noinline)) void int8_sums(const ActivationRows& x, const std::uint8_t* panel,
                                                       std::size_t token, IntQuad (&results)[kCount][4]) {
  const std::int8_t* codes = x.codes + token * x.stride;
  DotSums sums[kCount][4];
#pragma GCC unroll 8
  for (std::size_t t = 0; t < kCount; ++t) {
#pragma GCC unroll 4
    for (std::size_t q = 0; q < 4; ++q) sums[t][q] = no_sums();
  }
  for (std::size_t column = 0; column < x.stride; column += 8) {
    const std::uint8_t* group = panel + column * kPanelRows;
    EightCodes eight[kCount];
#pragma GCC unroll 8
    for (std::size_t t = 0; t < kCount; ++t) eight[t] = eight_codes(codes + t * x.stride + column);
#pragma GCC unroll 4
    for (std::size_t q = 0; q < 4; ++q) {
      const Bytes first = load_bytes(group + q * 16);
      const Bytes second = load_bytes(group + kPanelGroup + q * 16);
#pragma GCC unroll 8
      for (std::size_t t = 0; t < kCount; ++t) add_products(sums[t][q], first, second, eight[t]);
    }
  }
#pragma GCC unroll 8
  for (std::size_t t = 0; t < kCount; ++t) {
#pragma GCC unroll 4
    for (std::size_t q = 0; q < 4; ++q) results[t][q] = finished(sums[t][q]);
  }
}

// Adds the products of 16 keys with 8 codes of the query.
BITMAR_TARGET inline void add_key_products(DotSums (&sums)[4], const std::int8_t* keys, EightCodes codes) {
#pragma GCC unroll 4
  for (std::size_t q = 0; q < 4; ++q) {
    add_products(sums[q], load_bytes(keys + q * 16), load_bytes(keys + 64 + q * 16), codes);
  }
}

BITMAR_TARGET inline Ints all_finished(const DotSums (&sums)[4]) {
  return {finished(sums[0]), finished(sums[1]), finished(sums[2]), finished(sums[3])};
}

class KeyQuery {
 public:
  BITMAR_TARGET KeyQuery(const std::int8_t* codes, std::size_t width) : codes_(codes), width_(width) {}
  BITMAR_TARGET inline Ints sums(const std::int8_t* keys) const {
    DotSums sums[4] = {no_sums(), no_sums(), no_sums(), no_sums()};
    std::size_t i = 0;
    for (; i + 8 <= width_; i += 8) add_key_products(sums, keys + i * kAttentionBlock, eight_codes(codes_ + i));
    if (i < width_) {  // four columns, met by themselves and by zeros
      std::int8_t padded[8] = {};
      std::memcpy(padded, codes_ + i, 4);
      const std::int8_t* block = keys + i * kAttentionBlock;
      for (std::size_t q = 0; q < 4; ++q) {
        const Bytes bytes = load_bytes(block + q * 16);
        add_products(sums[q], bytes, bytes, eight_codes(padded));
      }
    }
    return all_finished(sums);
  }

 private:
  const std::int8_t* codes_;
  std::size_t width_;
};

// A query of kWidth codes, a multiple of 8, loaded once.
template <std::size_t kWidth>
class FixedKeyQuery {
 public:
  BITMAR_TARGET explicit FixedKeyQuery(const std::int8_t* codes) {
#pragma GCC unroll 8
    for (std::size_t i = 0; i < kWidth / 8; ++i) codes_[i] = eight_codes(codes + 8 * i);
  }
  BITMAR_TARGET inline Ints sums(const std::int8_t* keys) const {
    DotSums sums[4] = {no_sums(), no_sums(), no_sums(), no_sums()};
#pragma GCC unroll 8
    for (std::size_t i = 0; i < kWidth / 8; ++i) add_key_products(sums, keys + i * 128, codes_[i]);
    return all_finished(sums);
  }

 private:
  EightCodes codes_[kWidth / 8];
};

// Weights are met as three digits of signed bytes, which only the negated weight has: -w = high * 65536 + middle * 256
// + low with each within [-128, 127]. The block holds 16 high digits, 16 middle ones, 16 low ones.
BITMAR_TARGET inline void store_weights(std::uint8_t* block, Ints weights) {
  digits_of_weights(block, weights.q0, weights.q1, weights.q2, weights.q3);
}

BITMAR_TARGET void weighted_values(const AttentionRange* ranges, std::size_t range_count, const std::uint8_t* weights,
                                   std::size_t width, float scale, float* out) {
  const std::size_t group_bytes = round_up(width, 16) * 4;
  const Quad factor = quad::spread(scale);
  for (std::size_t column = 0; column < width; column += 4 * kValueQuads) {
    DotSums sums[kValueQuads][3];
#pragma GCC unroll 4
    for (std::size_t q = 0; q < kValueQuads; ++q) sums[q][0] = sums[q][1] = sums[q][2] = no_sums();
    const auto* block = reinterpret_cast<const std::int8_t*>(weights);
    for (std::size_t r = 0; r < range_count; ++r) {
      const AttentionRange& range = ranges[r];
      for (std::size_t row = range.begin / 16 * 16; row < range.end; row += 16) {
        const std::int8_t* values = range.values + row / 4 * group_bytes + column * 4;
#pragma GCC unroll 2
        for (std::size_t pair = 0; pair < 2; ++pair) {
          const EightCodes digits[3] = {eight_codes(block + pair * 8), eight_codes(block + 16 + pair * 8),
                                        eight_codes(block + 32 + pair * 8)};
          const std::int8_t* groups = values + pair * 2 * group_bytes;
#pragma GCC unroll 4
          for (std::size_t q = 0; q < kValueQuads; ++q) {
            const Bytes first = load_bytes(groups + q * 16);
            const Bytes second = load_bytes(groups + group_bytes + q * 16);
            add_products(sums[q][0], first, second, digits[0]);
            add_products(sums[q][1], first, second, digits[1]);
            add_products(sums[q][2], first, second, digits[2]);
          }
        }
        block += 64;
      }
    }
    float results[4 * kValueQuads];
#pragma GCC unroll 4
    for (std::size_t q = 0; q < kValueQuads; ++q) {
      const Quad total = weights_from_digits(finished(sums[q][0]), finished(sums[q][1]), finished(sums[q][2]));
      quad::store(results + q * 4, quad::mul(total, factor));
    }
    const std::size_t left = width - column < 4 * kValueQuads ? width - column : 4 * kValueQuads;
    std::memcpy(out + column, results, left * sizeof(float));
  }
}

}  // namespace
