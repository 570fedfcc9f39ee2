// Sums of exponentials in double precision, as text for every instruction set's file: plain loops over lanes that the
// compiler turns into vectors of whatever width BITMAR_TARGET allows. Same bits for all, as each lane is a chain of
// single IEEE operations.

namespace {

// 2^x for x <= 0, or 2^-1000: 2^n times the Taylor polynomial of e^y, |y| <= ln(2) / 2, whose twelfth term is below
// 1e-14.
BITMAR_TARGET inline double double_power_of_two(double x) {
  constexpr double kRound = 0x1.8p52;  // adding it leaves the nearest integer in the lowest bits
  const double exponent = x > -1000.0 ? x : -1000.0;
  const double shifted = exponent + kRound;
  const double y = (exponent - (shifted - kRound)) * 0x1.62e42fefa39efp-1;
  double value = 1.0 / 39916800.0;
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
  std::uint64_t bits;
  std::uint64_t exponent_bits;
  __builtin_memcpy(&bits, &value, sizeof bits);
  __builtin_memcpy(&exponent_bits, &shifted, sizeof bits);
  bits += exponent_bits << 52;
  __builtin_memcpy(&value, &bits, sizeof bits);
  return value;
}

BITMAR_TARGET void exponential_sums(const float* x, std::size_t count, double largest, double factor, float pivot,
                                    double* all, double* not_below) {
  // More independent sums than registers hold make GCC 12 keep the loop as it is, which is faster than what it makes of
  // a short one.
  constexpr std::size_t kSums = 16;
  double sums[kSums] = {};
  double sums_not_below[kSums] = {};
  const std::size_t whole = count / kSums * kSums;
  for (std::size_t first = 0; first < whole; first += kSums) {
    for (std::size_t lane = 0; lane < kSums; ++lane) {
      const float value = x[first + lane];
      const double weight = double_power_of_two((static_cast<double>(value) - largest) * factor);
      sums[lane] += weight;
      sums_not_below[lane] += value >= pivot ? weight : 0.0;
    }
  }
  *all = *not_below = 0.0;
  for (std::size_t lane = 0; lane < kSums; ++lane) {
    *all += sums[lane];
    *not_below += sums_not_below[lane];
  }
  for (std::size_t i = whole; i < count; ++i) {
    const double weight = double_power_of_two((static_cast<double>(x[i]) - largest) * factor);
    *all += weight;
    *not_below += x[i] >= pivot ? weight : 0.0;
  }
}

}  // namespace
