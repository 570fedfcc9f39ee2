// The operations of quad_lanes.h on WebAssembly's SIMD128, as text for wasm.cpp.

namespace {

using Quad = v128_t;
using IntQuad = v128_t;

// Most hosts are x86 with 16 registers.
constexpr std::size_t kLinearTokens = 2;
constexpr std::size_t kLinearPanels = 1;
constexpr std::size_t kVectorPanels = 2;

namespace quad {

BITMAR_TARGET inline Quad zeros() {
  return wasm_f32x4_const_splat(0.0f);
}
BITMAR_TARGET inline Quad spread(float value) {
  return wasm_f32x4_splat(value);
}
BITMAR_TARGET inline Quad load(const float* values) {
  return wasm_v128_load(values);
}
BITMAR_TARGET inline void store(float* values, Quad v) {
  wasm_v128_store(values, v);
}
BITMAR_TARGET inline Quad add(Quad a, Quad b) {
  return wasm_f32x4_add(a, b);
}
BITMAR_TARGET inline Quad sub(Quad a, Quad b) {
  return wasm_f32x4_sub(a, b);
}
BITMAR_TARGET inline Quad mul(Quad a, Quad b) {
  return wasm_f32x4_mul(a, b);
}
BITMAR_TARGET inline Quad div(Quad a, Quad b) {
  return wasm_f32x4_div(a, b);
}
// pmax(b, a) is b < a ? a : b and pmin(b, a) is a < b ? a : b.
BITMAR_TARGET inline Quad max(Quad a, Quad b) {
  return wasm_f32x4_pmax(b, a);
}
BITMAR_TARGET inline Quad min(Quad a, Quad b) {
  return wasm_f32x4_pmin(b, a);
}
BITMAR_TARGET inline Quad magnitude(Quad a) {
  return wasm_f32x4_abs(a);
}
BITMAR_TARGET inline Quad round_even(Quad a) {
  return wasm_f32x4_nearest(a);
}
BITMAR_TARGET inline Quad where_not_below(Quad value, Quad x, Quad bound) {
  return wasm_v128_and(value, wasm_f32x4_ge(x, bound));
}
BITMAR_TARGET inline IntQuad to_ints(Quad integral) {
  return wasm_i32x4_trunc_sat_f32x4(integral);
}
BITMAR_TARGET inline Quad to_floats(IntQuad v) {
  return wasm_f32x4_convert_i32x4(v);
}
BITMAR_TARGET inline Quad as_floats(IntQuad v) {
  return v;
}
BITMAR_TARGET inline Quad times_power(Quad value, Quad n) {
  return wasm_i32x4_add(value, wasm_i32x4_shl(to_ints(n), 23));
}
BITMAR_TARGET inline float first(Quad v) {
  return wasm_f32x4_extract_lane(v, 0);
}
BITMAR_TARGET inline Quad upper_half(Quad v) {
  return wasm_i32x4_shuffle(v, v, 2, 3, 0, 1);
}
BITMAR_TARGET inline Quad swapped(Quad v) {
  return wasm_i32x4_shuffle(v, v, 1, 0, 3, 2);
}
BITMAR_TARGET inline unsigned equal_bits(Quad a0, Quad b0, Quad a1, Quad b1, Quad a2, Quad b2, Quad a3, Quad b3) {
  const v128_t low = wasm_i16x8_narrow_i32x4(wasm_f32x4_eq(a0, b0), wasm_f32x4_eq(a1, b1));
  const v128_t high = wasm_i16x8_narrow_i32x4(wasm_f32x4_eq(a2, b2), wasm_f32x4_eq(a3, b3));
  return static_cast<unsigned>(wasm_i8x16_bitmask(wasm_i8x16_narrow_i16x8(low, high)));
}
BITMAR_TARGET inline void widen_codes(const std::int8_t* codes, IntQuad& q0, IntQuad& q1, IntQuad& q2, IntQuad& q3) {
  const v128_t low = wasm_i16x8_load8x8(codes);
  const v128_t high = wasm_i16x8_load8x8(codes + 8);
  q0 = wasm_i32x4_extend_low_i16x8(low);
  q1 = wasm_i32x4_extend_high_i16x8(low);
  q2 = wasm_i32x4_extend_low_i16x8(high);
  q3 = wasm_i32x4_extend_high_i16x8(high);
}
BITMAR_TARGET inline void store_codes(std::int8_t* codes, IntQuad q0, IntQuad q1, IntQuad q2, IntQuad q3) {
  const v128_t low = wasm_i16x8_narrow_i32x4(q0, q1);
  wasm_v128_store(codes, wasm_i8x16_narrow_i16x8(low, wasm_i16x8_narrow_i32x4(q2, q3)));
}

}  // namespace quad
}  // namespace
