// The lanes of lane_kernels.h on vectors of four: NEON and WebAssembly. Included as text, in the instruction set's own
// namespace, after its operations on single vectors, which stand in a namespace `quad`:
//
//   Quad (4 floats) IntQuad (4 x 32 bits)
//   zeros() spread(f) load(p) store(p, v) add sub mul div max min magnitude round_even where_not_below
//   to_ints to_floats as_floats times_power: as for the lanes
//   first(v): lane 0   upper_half(v): lanes 2 and 3 in front   swapped(v): lane 1 in front
//   equal_bits(a0, b0, ..., a3, b3): bit i for lane i of the four   widen_codes(p, four vectors out)
//   store_codes(p, four vectors of integers)

namespace {

struct Floats {
  Quad q0, q1, q2, q3;  // lanes 0 to 3, 4 to 7, 8 to 11, 12 to 15
};
struct Ints {
  IntQuad q0, q1, q2, q3;
};

BITMAR_TARGET inline Floats zeros() {
  return {quad::zeros(), quad::zeros(), quad::zeros(), quad::zeros()};
}
BITMAR_TARGET inline Floats spread(float value) {
  const Quad all = quad::spread(value);
  return {all, all, all, all};
}
BITMAR_TARGET inline Floats load(const float* values) {
  return {quad::load(values), quad::load(values + 4), quad::load(values + 8), quad::load(values + 12)};
}
BITMAR_TARGET inline void store(float* values, Floats v) {
  quad::store(values, v.q0);
  quad::store(values + 4, v.q1);
  quad::store(values + 8, v.q2);
  quad::store(values + 12, v.q3);
}
BITMAR_TARGET inline Floats load_first(const float* values, std::size_t count) {
  if (count >= 16) [[likely]]
    return load(values);
  float padded[16] = {};
  std::memcpy(padded, values, count * sizeof(float));
  return load(padded);
}
BITMAR_TARGET inline void store_first(float* values, std::size_t count, Floats v) {
  if (count >= 16) [[likely]]
    return store(values, v);
  float padded[16];
  store(padded, v);
  std::memcpy(values, padded, count * sizeof(float));
}
BITMAR_TARGET inline Floats add(Floats a, Floats b) {
  return {quad::add(a.q0, b.q0), quad::add(a.q1, b.q1), quad::add(a.q2, b.q2), quad::add(a.q3, b.q3)};
}
BITMAR_TARGET inline Floats sub(Floats a, Floats b) {
  return {quad::sub(a.q0, b.q0), quad::sub(a.q1, b.q1), quad::sub(a.q2, b.q2), quad::sub(a.q3, b.q3)};
}
BITMAR_TARGET inline Floats mul(Floats a, Floats b) {
  return {quad::mul(a.q0, b.q0), quad::mul(a.q1, b.q1), quad::mul(a.q2, b.q2), quad::mul(a.q3, b.q3)};
}
BITMAR_TARGET inline Floats div(Floats a, Floats b) {
  return {quad::div(a.q0, b.q0), quad::div(a.q1, b.q1), quad::div(a.q2, b.q2), quad::div(a.q3, b.q3)};
}
BITMAR_TARGET inline Floats max(Floats a, Floats b) {
  return {quad::max(a.q0, b.q0), quad::max(a.q1, b.q1), quad::max(a.q2, b.q2), quad::max(a.q3, b.q3)};
}
BITMAR_TARGET inline Floats min(Floats a, Floats b) {
  return {quad::min(a.q0, b.q0), quad::min(a.q1, b.q1), quad::min(a.q2, b.q2), quad::min(a.q3, b.q3)};
}
BITMAR_TARGET inline Floats magnitude(Floats a) {
  return {quad::magnitude(a.q0), quad::magnitude(a.q1), quad::magnitude(a.q2), quad::magnitude(a.q3)};
}
BITMAR_TARGET inline Floats round_even(Floats a) {
  return {quad::round_even(a.q0), quad::round_even(a.q1), quad::round_even(a.q2), quad::round_even(a.q3)};
}
BITMAR_TARGET inline Floats where_not_below(Floats value, Floats x, Floats bound) {
  return {quad::where_not_below(value.q0, x.q0, bound.q0), quad::where_not_below(value.q1, x.q1, bound.q1),
          quad::where_not_below(value.q2, x.q2, bound.q2), quad::where_not_below(value.q3, x.q3, bound.q3)};
}
BITMAR_TARGET inline Floats keep_lanes(Floats v, std::size_t begin, std::size_t end, float other) {
  float lanes[16];
  store(lanes, v);
  for (std::size_t i = 0; i < 16; ++i) {
    if (i < begin || i >= end) lanes[i] = other;
  }
  return load(lanes);
}
BITMAR_TARGET inline Ints to_ints(Floats integral) {
  return {quad::to_ints(integral.q0), quad::to_ints(integral.q1), quad::to_ints(integral.q2),
          quad::to_ints(integral.q3)};
}
BITMAR_TARGET inline Floats to_floats(Ints v) {
  return {quad::to_floats(v.q0), quad::to_floats(v.q1), quad::to_floats(v.q2), quad::to_floats(v.q3)};
}
BITMAR_TARGET inline Floats as_floats(Ints v) {
  return {quad::as_floats(v.q0), quad::as_floats(v.q1), quad::as_floats(v.q2), quad::as_floats(v.q3)};
}
BITMAR_TARGET inline Floats times_power(Floats value, Floats n) {
  return {quad::times_power(value.q0, n.q0), quad::times_power(value.q1, n.q1), quad::times_power(value.q2, n.q2),
          quad::times_power(value.q3, n.q3)};
}
BITMAR_TARGET inline Quad four_sums(Floats v) {
  return quad::add(quad::add(v.q0, v.q2), quad::add(v.q1, v.q3));
}
BITMAR_TARGET inline void fold_to_four(Floats v, float* four) {
  quad::store(four, four_sums(v));
}
BITMAR_TARGET inline float sum_lanes(Floats v) {
  const Quad four = four_sums(v);
  const Quad two = quad::add(four, quad::upper_half(four));
  return quad::first(quad::add(two, quad::swapped(two)));
}
BITMAR_TARGET inline float max_lanes(Floats v) {
  const Quad four = quad::max(quad::max(v.q0, v.q2), quad::max(v.q1, v.q3));
  const Quad two = quad::max(four, quad::upper_half(four));
  return quad::first(quad::max(two, quad::swapped(two)));
}
BITMAR_TARGET inline unsigned any_equal(Floats a, Floats b) {
  return quad::equal_bits(a.q0, b.q0, a.q1, b.q1, a.q2, b.q2, a.q3, b.q3);
}
BITMAR_TARGET inline Floats widen_codes(const std::int8_t* codes, std::size_t count) {
  std::int8_t padded[16] = {};
  if (count < 16) {
    std::memcpy(padded, codes, count);
    codes = padded;
  }
  Ints wide;
  quad::widen_codes(codes, wide.q0, wide.q1, wide.q2, wide.q3);
  return to_floats(wide);
}
BITMAR_TARGET inline void store_codes(std::int8_t* codes, Ints v) {
  quad::store_codes(codes, v.q0, v.q1, v.q2, v.q3);
}

}  // namespace
