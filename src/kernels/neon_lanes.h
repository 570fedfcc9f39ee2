// The operations of quad_lanes.h on NEON, as text for the files of the ARM kernels.

namespace {

using Quad = float32x4_t;
using IntQuad = int32x4_t;

constexpr std::size_t kLinearTokens = 5;
constexpr std::size_t kLinearPanels = 1;
constexpr std::size_t kVectorPanels = 4;

namespace quad {

BITMAR_TARGET inline Quad zeros() {
  return vdupq_n_f32(0.0f);
}
BITMAR_TARGET inline Quad spread(float value) {
  return vdupq_n_f32(value);
}
BITMAR_TARGET inline Quad load(const float* values) {
  return vld1q_f32(values);
}
BITMAR_TARGET inline void store(float* values, Quad v) {
  vst1q_f32(values, v);
}
BITMAR_TARGET inline Quad add(Quad a, Quad b) {
  return vaddq_f32(a, b);
}
BITMAR_TARGET inline Quad sub(Quad a, Quad b) {
  return vsubq_f32(a, b);
}
BITMAR_TARGET inline Quad mul(Quad a, Quad b) {
  return vmulq_f32(a, b);
}
BITMAR_TARGET inline Quad div(Quad a, Quad b) {
  return vdivq_f32(a, b);
}
// Not `fmax`, which differs for NaN and for zeros of different sign.
BITMAR_TARGET inline Quad max(Quad a, Quad b) {
  return vbslq_f32(vcgtq_f32(a, b), a, b);
}
BITMAR_TARGET inline Quad min(Quad a, Quad b) {
  return vbslq_f32(vcltq_f32(a, b), a, b);
}
BITMAR_TARGET inline Quad magnitude(Quad a) {
  return vabsq_f32(a);
}
BITMAR_TARGET inline Quad round_even(Quad a) {
  return vrndnq_f32(a);
}
BITMAR_TARGET inline Quad where_not_below(Quad value, Quad x, Quad bound) {
  return vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(value), vcgeq_f32(x, bound)));
}
BITMAR_TARGET inline IntQuad to_ints(Quad integral) {
  return vcvtq_s32_f32(integral);
}
BITMAR_TARGET inline Quad to_floats(IntQuad v) {
  return vcvtq_f32_s32(v);
}
BITMAR_TARGET inline Quad as_floats(IntQuad v) {
  return vreinterpretq_f32_s32(v);
}
BITMAR_TARGET inline Quad times_power(Quad value, Quad n) {
  return as_floats(vaddq_s32(vreinterpretq_s32_f32(value), vshlq_n_s32(to_ints(n), 23)));
}
BITMAR_TARGET inline float first(Quad v) {
  return vgetq_lane_f32(v, 0);
}
BITMAR_TARGET inline Quad upper_half(Quad v) {
  return vextq_f32(v, v, 2);
}
BITMAR_TARGET inline Quad swapped(Quad v) {
  return vrev64q_f32(v);
}

// The lowest bytes of sixteen lanes, in order.
BITMAR_TARGET inline uint8x16_t lowest_bytes(uint32x4_t a, uint32x4_t b, uint32x4_t c, uint32x4_t d) {
  const uint16x8_t low = vuzp1q_u16(vreinterpretq_u16_u32(a), vreinterpretq_u16_u32(b));
  const uint16x8_t high = vuzp1q_u16(vreinterpretq_u16_u32(c), vreinterpretq_u16_u32(d));
  return vuzp1q_u8(vreinterpretq_u8_u16(low), vreinterpretq_u8_u16(high));
}
BITMAR_TARGET inline unsigned equal_bits(Quad a0, Quad b0, Quad a1, Quad b1, Quad a2, Quad b2, Quad a3, Quad b3) {
  const uint8x16_t equal = lowest_bytes(vceqq_f32(a0, b0), vceqq_f32(a1, b1), vceqq_f32(a2, b2), vceqq_f32(a3, b3));
  if (vmaxvq_u8(equal) == 0) return 0;
  const uint8x8_t bits = vcreate_u8(0x8040201008040201u);
  const uint8x16_t set = vandq_u8(equal, vcombine_u8(bits, bits));
  return static_cast<unsigned>(vaddv_u8(vget_low_u8(set))) | static_cast<unsigned>(vaddv_u8(vget_high_u8(set))) << 8;
}
BITMAR_TARGET inline void widen_codes(const std::int8_t* codes, IntQuad& q0, IntQuad& q1, IntQuad& q2, IntQuad& q3) {
  const int8x16_t bytes = vld1q_s8(codes);
  const int16x8_t low = vmovl_s8(vget_low_s8(bytes));
  const int16x8_t high = vmovl_s8(vget_high_s8(bytes));
  q0 = vmovl_s16(vget_low_s16(low));
  q1 = vmovl_s16(vget_high_s16(low));
  q2 = vmovl_s16(vget_low_s16(high));
  q3 = vmovl_s16(vget_high_s16(high));
}
BITMAR_TARGET inline void store_codes(std::int8_t* codes, IntQuad q0, IntQuad q1, IntQuad q2, IntQuad q3) {
  const uint8x16_t bytes = lowest_bytes(vreinterpretq_u32_s32(q0), vreinterpretq_u32_s32(q1), vreinterpretq_u32_s32(q2),
                                        vreinterpretq_u32_s32(q3));
  vst1q_s8(codes, vreinterpretq_s8_u8(bytes));
}

}  // namespace quad
}  // namespace
