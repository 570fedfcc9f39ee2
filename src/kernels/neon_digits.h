// Bytes and the digits of attention weights (quad_dots.h) for every kind of NEON.

namespace {

using Bytes = int8x16_t;

BITMAR_TARGET inline Bytes load_bytes(const std::int8_t* bytes) {
  return vld1q_s8(bytes);
}
BITMAR_TARGET inline Bytes load_bytes(const std::uint8_t* bytes) {
  return vreinterpretq_s8_u8(vld1q_u8(bytes));
}

// 0x8080 - w = high * 65536 + (middle + 128) * 256 + (low + 128): bytes 2, 1 and 0, the last two moved by 128.
BITMAR_TARGET inline void digits_of_weights(std::uint8_t* block, IntQuad q0, IntQuad q1, IntQuad q2, IntQuad q3) {
  const auto digits = [](IntQuad weights) BITMAR_TARGET {
    const IntQuad moved = vsubq_s32(vdupq_n_s32(0x8080), weights);
    return vreinterpretq_u8_s32(veorq_s32(moved, vdupq_n_s32(0x8080)));
  };
  const uint8x16_t low0 = digits(q0);
  const uint8x16_t low1 = digits(q1);
  const uint8x16_t low2 = digits(q2);
  const uint8x16_t low3 = digits(q3);
  // Even bytes are the low digits and the high ones by turns.
  const uint8x16_t even0 = vuzp1q_u8(low0, low1);
  const uint8x16_t even1 = vuzp1q_u8(low2, low3);
  vst1q_u8(block, vuzp2q_u8(even0, even1));
  vst1q_u8(block + 16, vuzp1q_u8(vuzp2q_u8(low0, low1), vuzp2q_u8(low2, low3)));
  vst1q_u8(block + 32, vuzp1q_u8(even0, even1));
}

BITMAR_TARGET inline Quad weights_from_digits(IntQuad high, IntQuad middle, IntQuad low) {
  const auto total = [](int32x2_t h, int32x2_t m, int32x2_t l) BITMAR_TARGET {
    const int64x2_t sum = vaddq_s64(vshll_n_s32(h, 16), vshll_n_s32(m, 8));
    return vcvt_f32_f64(vcvtq_f64_s64(vaddw_s32(sum, l)));
  };
  const Quad negative = vcombine_f32(total(vget_low_s32(high), vget_low_s32(middle), vget_low_s32(low)),
                                     total(vget_high_s32(high), vget_high_s32(middle), vget_high_s32(low)));
  return vsubq_f32(vdupq_n_f32(0.0f), negative);  // 0, not -0, of 0
}

}  // namespace
