// Sums of exponentials in double precision, as text for every instruction set's file, which says how wide its vectors
// are: BITMAR_VECTOR_BYTES. Same bits for all, as each lane is a chain of single IEEE operations. Vectors stand here by
// name because GCC 12 left the plain loop scalar for AVX2.

namespace {

constexpr std::size_t kDoubles = BITMAR_VECTOR_BYTES / sizeof(double);
using FloatVector = float __attribute__((vector_size(BITMAR_VECTOR_BYTES / 2)));
using DoubleVector = double __attribute__((vector_size(BITMAR_VECTOR_BYTES)));
using IntegerVector = std::int64_t __attribute__((vector_size(BITMAR_VECTOR_BYTES)));

// Each x <= 0 becomes 2^x, or 2^-1000: 2^n times the Taylor polynomial of e^y, |y| <= ln(2) / 2, whose twelfth term is
// below 1e-14.
BITMAR_TARGET inline void raise_two(DoubleVector& x) {
  constexpr double kRound = 0x1.8p52;  // adding it leaves the nearest integer in the lowest bits
  const DoubleVector exponent = x > -1000.0 ? x : DoubleVector{} - 1000.0;
  const DoubleVector shifted = exponent + kRound;
  const DoubleVector y = (exponent - (shifted - kRound)) * 0x1.62e42fefa39efp-1;
  DoubleVector value = DoubleVector{} + 1.0 / 39916800.0;
  value = value * y + 1.0 / 3628800.0;
  value = value * y + 1.0 / 362880.0;
  value = value * y + 1.0 / 40320.0;
  value = value * y + 1.0 / 5040.0;
  value = value * y + 1.0 / 720.0;
  value = value * y + 1.0 / 120.0;
  value = value * y + 1.0 / 24.0;
  value = value * y + 1.0 / 6.0;
  value = value * y + 0.5;
  value = value * y + 1.0;
  value = value * y + 1.0;
  IntegerVector bits;
  IntegerVector exponents;
  __builtin_memcpy(&bits, &value, sizeof bits);
  __builtin_memcpy(&exponents, &shifted, sizeof exponents);
  bits += exponents << 52;
  __builtin_memcpy(&x, &bits, sizeof bits);
}

BITMAR_TARGET void exponential_sums(const float* x, std::size_t count, double largest, double factor, float pivot,
                                    double* all, double* not_below) {
  constexpr std::size_t kSums = 16;
  DoubleVector sums[kSums / kDoubles] = {};
  DoubleVector sums_not_below[kSums / kDoubles] = {};
  const std::size_t whole = count / kSums * kSums;
  for (std::size_t first = 0; first < whole; first += kSums) {
    for (std::size_t part = 0; part < kSums / kDoubles; ++part) {
      FloatVector floats;
      __builtin_memcpy(&floats, x + first + part * kDoubles, sizeof floats);
      const DoubleVector values = __builtin_convertvector(floats, DoubleVector);
      DoubleVector weights = (values - largest) * factor;
      raise_two(weights);
      sums[part] += weights;
      sums_not_below[part] += values >= static_cast<double>(pivot) ? weights : DoubleVector{};
    }
  }
  *all = *not_below = 0.0;
  for (std::size_t lane = 0; lane < kSums; ++lane) {
    *all += sums[lane / kDoubles][lane % kDoubles];
    *not_below += sums_not_below[lane / kDoubles][lane % kDoubles];
  }
  for (std::size_t i = whole; i < count; ++i) {
    DoubleVector weight = DoubleVector{} + (static_cast<double>(x[i]) - largest) * factor;
    raise_two(weight);
    *all += weight[0];
    *not_below += x[i] >= pivot ? weight[0] : 0.0;
  }
}

}  // namespace
