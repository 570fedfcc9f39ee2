// The FP32 kernels on rows, written once on vectors of 16 lanes. Each instruction set's file defines its lanes (listed
// below) in its own namespace and BITMAR_TARGET, the attribute that allows its instructions, and then includes this
// text there: everything has internal linkage, so no two instruction sets share a compiled function.
//
// Every operation is a single IEEE one (no fused multiply-add) and sums run in one order: element i goes to lane
// i mod 16, ascending, then sum_lanes. So all instruction sets give the same bits; scalar.cpp says the same in loops.
//
// Lanes: Floats, Ints (16 x 32 bits), and on them
//   zeros() spread(f) load(p) load_first(p, n) store(p, v) store_first(p, n, v)   n <= 16; missing lanes read as 0
//   add sub mul div   max(a, b): a > b ? a : b   min(a, b): a < b ? a : b   magnitude(a) round_even(a)
//   where_not_below(value, x, bound): value where x >= bound, else 0
//   keep_lanes(v, begin, end, other): lanes [begin, end) of v, begin and end at most 16; elsewhere `other`
//   to_ints(integral floats) to_floats(ints) as_floats(ints): their bits
//   times_power(value, n): value * 2^n for integral n, all of them normal numbers
//   sum_lanes(v): lanes i and i + 8, then i + 4, i + 2, i + 1   max_lanes(v)   any_equal(v, w): bit i for lane i
//   widen_codes(p, n): up to 16 int8 as Floats   store_codes(p, ints): 16 int8
//   fold_to_four(v, p): the sum of the lanes i mod 4, as the first steps of sum_lanes
//   KeyQuery(codes, width): a query; sums(keys): its products with 16 keys; FixedKeyQuery<width>(codes): the usual ones
//   store_weights(p, ints): 64 bytes that weighted_values(...), the second half of attend, understands
//   kLinearTokens, kLinearPanels: the tile of a float product that fits the registers; kVectorPanels for one token

namespace {

constexpr std::size_t kLanes = 16;

BITMAR_TARGET inline std::size_t lanes_left(std::size_t count, std::size_t at) {
  return count - at < kLanes ? count - at : kLanes;
}

// 2^(n + r) for integral n and |r| <= 1/2. 2^r is 1 + r P(r), P of degree 4 fitted for the least relative error: 2.1e-7
// with all roundings. Evaluated in pairs, not by Horner's rule, because it is the length of the chain that costs.
BITMAR_TARGET inline Floats power_of_two(Floats n, Floats r) {
  const Floats r2 = mul(r, r);
  const Floats upper = add(mul(r, spread(0x1.5bba28p-10f)), spread(0x1.3cea88p-7f));
  const Floats middle = add(mul(r, spread(0x1.c6b752p-5f)), spread(0x1.ebf9bcp-3f));
  const Floats lower = add(mul(r, spread(0x1.62e42ap-1f)), spread(1.0f));
  return times_power(add(mul(add(mul(upper, r2), middle), r2), lower), n);
}

// 2^x for x at most 127; 2^lowest below that, at least 2^-126, the smallest normal number.
BITMAR_TARGET inline Floats bounded_power_of_two(Floats x, float lowest) {
  const Floats bounded = max(x, spread(lowest));
  const Floats n = round_even(bounded);
  return power_of_two(n, sub(bounded, n));
}

// e^x for x from kLowestExponent to 88, within 4 units in the last place: 2^n e^r.
constexpr float kLowestExponent = -87.3364f;

BITMAR_TARGET inline Floats bounded_exponential(Floats x) {
  const Floats n = round_even(mul(x, spread(kLog2E)));
  // ln(2) in two parts, the first short enough for n * part to be exact.
  const Floats r = sub(sub(x, mul(n, spread(0x1.62e4p-1f))), mul(n, spread(0x1.7f7d1cp-20f)));
  return power_of_two(n, mul(r, spread(kLog2E)));
}

// For any x; 0 below kLowestExponent.
BITMAR_TARGET inline Floats exponential(Floats x) {
  const Floats lowest = spread(kLowestExponent);
  return where_not_below(bounded_exponential(min(max(x, lowest), spread(88.02f))), x, lowest);
}

// x Phi(x) = max(x, 0) - |x| Phi(-|x|), and Phi(-y) = e^(-y^2 / 2) Q(t), t = 1 / (1 + 0.33 y), Q a polynomial of degree
// 7 without constant term, fitted for Phi(-y) to 5e-9 (the form of Abramowitz and Stegun 26.2.17).
struct Gelu {
  BITMAR_TARGET static inline Floats apply(Floats x) {
    const Floats y = min(magnitude(x), spread(13.0f));  // Phi(-13) y is below the last place of any x
    const Floats t = div(spread(1.0f), add(mul(y, spread(0.33f)), spread(1.0f)));
    const Floats t2 = mul(t, t);
    const Floats a = add(mul(t, spread(0.119453296f)), spread(0.132621f));
    const Floats b = add(mul(t, spread(-0.08903031f)), spread(0.18094513f));
    const Floats c = add(mul(t, spread(-0.22036046f)), spread(0.33088064f));
    const Floats upper = add(mul(t2, spread(0.045490682f)), c);
    const Floats q = mul(add(mul(add(mul(upper, t2), b), t2), a), t);
    const Floats power = bounded_power_of_two(mul(mul(y, y), spread(-0.5f * kLog2E)), -126.0f);
    return sub(max(x, zeros()), mul(mul(y, power), q));
  }
};

struct Silu {
  BITMAR_TARGET static inline Floats apply(Floats x) { return div(x, add(spread(1.0f), exponential(sub(zeros(), x)))); }
};

struct Relu {
  BITMAR_TARGET static inline Floats apply(Floats x) { return max(x, zeros()); }
};

template <typename Function>
BITMAR_TARGET inline void map(const float* x, std::size_t count, float* out) {
  std::size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) store(out + i, Function::apply(load(x + i)));
  if (i < count) store_first(out + i, count - i, Function::apply(load_first(x + i, count - i)));
}

BITMAR_TARGET void gelu(const float* x, std::size_t count, float* out) {
  map<Gelu>(x, count, out);
}

BITMAR_TARGET void silu(const float* x, std::size_t count, float* out) {
  map<Silu>(x, count, out);
}

BITMAR_TARGET void relu(const float* x, std::size_t count, float* out) {
  map<Relu>(x, count, out);
}

BITMAR_TARGET void add_rows(const float* a, const float* b, std::size_t count, float* out) {
  std::size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) store(out + i, add(load(a + i), load(b + i)));
  if (i < count) store_first(out + i, count - i, add(load_first(a + i, count - i), load_first(b + i, count - i)));
}

BITMAR_TARGET void multiply_rows(const float* a, const float* b, std::size_t count, float* out) {
  std::size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) store(out + i, mul(load(a + i), load(b + i)));
  if (i < count) store_first(out + i, count - i, mul(load_first(a + i, count - i), load_first(b + i, count - i)));
}

BITMAR_TARGET void axpy(float alpha, const float* x, std::size_t count, float* y) {
  const Floats factor = spread(alpha);
  std::size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) store(y + i, add(load(y + i), mul(factor, load(x + i))));
  if (i < count) {
    const std::size_t left = count - i;
    store_first(y + i, left, add(load_first(y + i, left), mul(factor, load_first(x + i, left))));
  }
}

BITMAR_TARGET void dequantize(const std::int8_t* codes, float scale, std::size_t count, float* out) {
  const Floats factor = spread(scale);
  std::size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) store(out + i, mul(factor, widen_codes(codes + i, kLanes)));
  if (i < count) store_first(out + i, count - i, mul(factor, widen_codes(codes + i, count - i)));
}

// Four chains at a time, of every fourth vector: a norm waits for its sums more than it computes.
constexpr std::size_t kChains = 4;

struct Identity {
  BITMAR_TARGET inline Floats operator()(Floats x) const { return x; }
};
struct SquaredDifference {
  Floats mean;
  BITMAR_TARGET inline Floats operator()(Floats x) const {
    const Floats difference = sub(x, mean);
    return mul(difference, difference);
  }
};

// The sum of function(x_i); missing elements count as `missing`, which the function takes to 0.
template <typename Function>
BITMAR_TARGET inline float sum_of(const float* x, std::size_t count, const Function& function, float missing) {
  Floats sums[kChains] = {zeros(), zeros(), zeros(), zeros()};
  std::size_t i = 0;
  for (; i + kChains * kLanes <= count; i += kChains * kLanes) {
#pragma GCC unroll 4
    for (std::size_t k = 0; k < kChains; ++k) sums[k] = add(sums[k], function(load(x + i + k * kLanes)));
  }
#pragma GCC unroll 4
  for (std::size_t k = 0; k < kChains; ++k, i += kLanes) {
    if (i + kLanes <= count) {
      sums[k] = add(sums[k], function(load(x + i)));
    } else if (i < count) {
      float padded[kLanes];
      for (std::size_t lane = 0; lane < kLanes; ++lane) padded[lane] = i + lane < count ? x[i + lane] : missing;
      sums[k] = add(sums[k], function(load(padded)));
    }
  }
  return sum_lanes(add(add(sums[0], sums[2]), add(sums[1], sums[3])));
}

BITMAR_TARGET void layer_norm_row(const float* x, const float* gain, const float* bias, float epsilon,
                                  std::size_t count, float* out) {
  const float mean_value = sum_of(x, count, Identity{}, 0.0f) / static_cast<float>(count);
  const Floats mean = spread(mean_value);
  const float variance = sum_of(x, count, SquaredDifference{mean}, mean_value) / static_cast<float>(count);
  const Floats inverse = spread(1.0f / __builtin_sqrtf(variance + epsilon));
  for (std::size_t i = 0; i < count; i += kLanes) {
    const std::size_t lanes = lanes_left(count, i);
    Floats normed;
    if (lanes == kLanes) {
      normed = mul(mul(sub(load(x + i), mean), inverse), load(gain + i));
      if (bias != nullptr) normed = add(normed, load(bias + i));
      store(out + i, normed);
    } else {
      normed = mul(mul(sub(load_first(x + i, lanes), mean), inverse), load_first(gain + i, lanes));
      if (bias != nullptr) normed = add(normed, load_first(bias + i, lanes));
      store_first(out + i, lanes, normed);
    }
  }
}

BITMAR_TARGET std::size_t index_of_max(const float* values, std::size_t count) {
  std::size_t i = 0;
  float largest = values[0];
  if (count >= 4 * kLanes) {
    Floats maxima[4] = {load(values), load(values + kLanes), load(values + 2 * kLanes), load(values + 3 * kLanes)};
    for (i = 4 * kLanes; i + 4 * kLanes <= count; i += 4 * kLanes) {
#pragma GCC unroll 4
      for (std::size_t k = 0; k < 4; ++k) maxima[k] = max(load(values + i + k * kLanes), maxima[k]);
    }
    largest = max_lanes(max(max(maxima[0], maxima[1]), max(maxima[2], maxima[3])));
  }
  for (; i < count; ++i) largest = values[i] > largest ? values[i] : largest;
  const Floats target = spread(largest);
  for (i = 0; i + kLanes <= count; i += kLanes) {
    const unsigned equal = any_equal(load(values + i), target);
    if (equal != 0) return i + static_cast<std::size_t>(__builtin_ctz(equal));
  }
  for (; i < count && values[i] != largest; ++i) {
  }
  return i < count ? i : 0;
}

constexpr std::size_t kColumns = 2 * kLanes;  // of column_maxima, and lanes of the sums below

BITMAR_TARGET void column_maxima(const float* values, std::size_t rows, float* maxima) {
  Floats first = spread(-__builtin_inff());
  Floats second = first;
  for (std::size_t row = 0; row < rows; ++row, values += kColumns) {
    first = max(load(values), first);
    second = max(load(values + kLanes), second);
  }
  store(maxima, first);
  store(maxima + kLanes, second);
}

struct RoughExponential {
  Floats largest;
  Floats factor;
  BITMAR_TARGET inline Floats operator()(Floats x) const {
    const Floats bits = add(mul(sub(x, largest), factor), spread(127.0f * 0x1p23f));
    return as_floats(to_ints(max(bits, spread(0x1p23f))));
  }
};

BITMAR_TARGET void rough_exponentials(const float* x, std::size_t count, float largest, float factor, float* out) {
  const RoughExponential power{spread(largest), spread(factor)};
  std::size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) store(out + i, power(load(x + i)));
  if (i < count) store_first(out + i, count - i, power(load_first(x + i, count - i)));
}

BITMAR_TARGET void rough_exponential_sums(const float* x, std::size_t count, float largest, float factor, float pivot,
                                          double* all, double* not_below) {
  const RoughExponential power{spread(largest), spread(factor)};
  const Floats bound = spread(pivot);
  Floats sums[4] = {zeros(), zeros(), zeros(), zeros()};
  std::size_t i = 0;
  for (; i + kColumns <= count; i += kColumns) {
#pragma GCC unroll 2
    for (std::size_t k = 0; k < 2; ++k) {
      const Floats values = load(x + i + k * kLanes);
      const Floats weights = power(values);
      sums[k] = add(sums[k], weights);
      sums[2 + k] = add(sums[2 + k], where_not_below(weights, values, bound));
    }
  }
  float lanes[2 * kColumns];
  for (std::size_t k = 0; k < 4; ++k) store(lanes + k * kLanes, sums[k]);
  *all = *not_below = 0.0;
  for (std::size_t lane = 0; lane < kColumns; ++lane) {
    *all += static_cast<double>(lanes[lane]);
    *not_below += static_cast<double>(lanes[kColumns + lane]);
  }
  for (; i < count; ++i) {
    float weight;
    store_first(&weight, 1, power(spread(x[i])));
    *all += static_cast<double>(weight);
    if (x[i] >= pivot) *not_below += static_cast<double>(weight);
  }
}

BITMAR_TARGET float largest_of(const float* values, std::size_t count) {
  float largest = values[0];
  std::size_t i = 0;
  if (count >= kLanes) {
    Floats maxima = load(values);
    for (i = kLanes; i + kLanes <= count; i += kLanes) maxima = max(load(values + i), maxima);
    largest = max_lanes(maxima);
  }
  for (; i < count; ++i) largest = values[i] > largest ? values[i] : largest;
  return largest;
}

BITMAR_TARGET void softmax(float* values, std::size_t count) {
  if (count == 0) return;
  const Floats largest = spread(largest_of(values, count));
  Floats sums = zeros();
  std::size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    const Floats power = exponential(sub(load(values + i), largest));
    store(values + i, power);
    sums = add(sums, power);
  }
  if (i < count) {
    store_first(values + i, count - i, exponential(sub(load_first(values + i, count - i), largest)));
    sums = add(sums, load_first(values + i, count - i));
  }
  const Floats inverse = spread(1.0f / sum_lanes(sums));
  for (i = 0; i + kLanes <= count; i += kLanes) store(values + i, mul(load(values + i), inverse));
  if (i < count) store_first(values + i, count - i, mul(load_first(values + i, count - i), inverse));
}

BITMAR_TARGET float dot(const float* a, const float* b, std::size_t count) {
  Floats sums = zeros();
  std::size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) sums = add(sums, mul(load(a + i), load(b + i)));
  if (i < count) sums = add(sums, mul(load_first(a + i, count - i), load_first(b + i, count - i)));
  return sum_lanes(sums);
}

BITMAR_TARGET void rotate(float* values, std::size_t heads, std::size_t head_width, const float* cosines,
                          const float* sines) {
  const std::size_t half = head_width / 2;
  for (std::size_t h = 0; h < heads; ++h) {
    float* low = values + h * head_width;
    float* high = low + half;
    for (std::size_t i = 0; i < half; i += kLanes) {
      const std::size_t lanes = lanes_left(half, i);
      const Floats a = load_first(low + i, lanes);
      const Floats b = load_first(high + i, lanes);
      const Floats cosine = load_first(cosines + i, lanes);
      const Floats sine = load_first(sines + i, lanes);
      store_first(low + i, lanes, sub(mul(a, cosine), mul(b, sine)));
      store_first(high + i, lanes, add(mul(a, sine), mul(b, cosine)));
    }
  }
}

// range / max|x|, or 0 where that is not finite.
BITMAR_TARGET inline float quantization_scale(const float* x, std::size_t count, float range, float* inverse) {
  Floats maxima = zeros();
  Floats others = zeros();
  std::size_t i = 0;
  for (; i + 2 * kLanes <= count; i += 2 * kLanes) {
    maxima = max(magnitude(load(x + i)), maxima);
    others = max(magnitude(load(x + i + kLanes)), others);
  }
  for (; i < count; i += kLanes) maxima = max(magnitude(load_first(x + i, lanes_left(count, i))), maxima);
  const float largest = max_lanes(max(maxima, others));
  const float scale = range / largest;
  const bool usable = scale <= 3.40282347e38f;
  *inverse = usable ? largest / range : 0.0f;
  return usable ? scale : 0.0f;
}

// Codes [i, i + 16) of a row of `columns` elements; zeros beyond it.
BITMAR_TARGET inline Ints quantized_lanes(const float* x, std::size_t columns, std::size_t i, Floats scale) {
  const std::size_t left = i < columns ? lanes_left(columns, i) : 0;
  const Floats values = left == kLanes ? load(x + i) : left == 0 ? zeros() : load_first(x + i, left);
  return to_ints(round_even(min(max(mul(values, scale), spread(-127.0f)), spread(127.0f))));
}

BITMAR_TARGET void quantize_rows(const float* x, std::size_t rows, std::size_t columns, std::size_t stride,
                                 std::int8_t* codes, float* inverse_scales, std::int16_t* column_sums) {
  for (std::size_t row = 0; row < rows; ++row, x += columns, codes += stride) {
    const Floats scale = spread(quantization_scale(x, columns, 127.0f, inverse_scales + row));
    for (std::size_t first = 0; first < stride; first += kSumColumns) {
      Floats sums = zeros();  // of integers below 2^24: exact
      for (std::size_t i = first; i < stride && i < first + kSumColumns; i += kLanes) {
        const Ints rounded = quantized_lanes(x, columns, i, scale);
        store_codes(codes + i, rounded);
        sums = add(sums, to_floats(rounded));
      }
      float lanes[4];
      fold_to_four(sums, lanes);
      *column_sums++ = static_cast<std::int16_t>(lanes[0] + lanes[1]);
      *column_sums++ = static_cast<std::int16_t>(lanes[2] + lanes[3]);
    }
  }
}

BITMAR_TARGET void quantize_heads(const float* x, std::size_t rows, std::size_t columns, std::size_t stride,
                                  std::int8_t* codes, float* inverse_scales) {
  for (std::size_t row = 0; row < rows; ++row, x += columns, codes += stride) {
    const Floats scale = spread(quantization_scale(x, columns, kHeadRange, inverse_scales + row));
    for (std::size_t i = 0; i < stride; i += kLanes) store_codes(codes + i, quantized_lanes(x, columns, i, scale));
  }
}

}  // namespace
