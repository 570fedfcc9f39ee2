#include "runtime/exponential_sums.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numbers>

namespace bitmar {
namespace {

// Independent sums, so that a loop over them is one over vectors. More of them than registers hold make GCC 12 keep the
// loop as it is, which is faster than what it makes of a short one.
constexpr std::size_t kLanes = 32;
constexpr std::size_t kDoubleLanes = 16;

constexpr float kOneBits = 0x1p23f;                 // of the exponent field
constexpr float kZeroExponent = 127.0f * kOneBits;  // 2^0

class RoughExponential {
 public:
  explicit RoughExponential(const SoftmaxScale& scale)
      : largest_(scale.largest), factor_(static_cast<float>(scale.rate * std::numbers::log2e * double{kOneBits})) {}

  float operator()(float logit) const {
    const float bits = (logit - largest_) * factor_ + kZeroExponent;
    return std::bit_cast<float>(static_cast<std::int32_t>(bits > kOneBits ? bits : kOneBits));
  }

 private:
  float largest_;
  float factor_;
};

// e^x for x <= 0: 2^n times the Taylor polynomial of e^y, |y| <= ln(2) / 2, whose twelfth term is below 1e-14.
class Exponential {
 public:
  explicit Exponential(const SoftmaxScale& scale)
      : largest_(scale.largest), factor_(scale.rate * std::numbers::log2e) {}

  double operator()(float logit) const {
    constexpr double kRound = 0x1.8p52;  // adding it leaves the nearest integer in the lowest bits
    double exponent = (double{logit} - largest_) * factor_;
    exponent = exponent > -1000.0 ? exponent : -1000.0;
    const double shifted = exponent + kRound;
    const double y = (exponent - (shifted - kRound)) * std::numbers::ln2;
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
    return std::bit_cast<double>(std::bit_cast<std::uint64_t>(value) + (std::bit_cast<std::uint64_t>(shifted) << 52));
  }

 private:
  double largest_;
  double factor_;
};

// Weight is float or double.
template <typename Weight, std::size_t kCount, typename Exp>
ExponentialSums sums_of(std::span<const float> logits, float pivot, const Exp& weight) {
  std::array<Weight, kCount> above{};
  std::array<Weight, kCount> all{};
  const std::size_t whole = logits.size() / kCount * kCount;
  for (std::size_t first = 0; first < whole; first += kCount) {
    const float* const block = logits.data() + first;
    for (std::size_t lane = 0; lane < kCount; ++lane) {
      const Weight w = weight(block[lane]);
      all[lane] += w;
      above[lane] += block[lane] > pivot ? w : Weight{0};
    }
  }
  ExponentialSums sums;
  for (std::size_t lane = 0; lane < kCount; ++lane) {
    sums.above += double{above[lane]};
    sums.all += double{all[lane]};
  }
  for (const float logit : logits.subspan(whole)) {
    const double w = weight(logit);
    sums.all += w;
    sums.above += logit > pivot ? w : 0.0;
  }
  return sums;
}

}  // namespace

ExponentialSums exponential_sums(std::span<const float> logits, const SoftmaxScale& scale, float pivot) {
  return sums_of<double, kDoubleLanes>(logits, pivot, Exponential(scale));
}

double log_sum_exp(std::span<const float> logits, float largest) {
  return std::log(exponential_sums(logits, {largest, 1.0}, largest).all) + double{largest};
}

void rough_exponentials(std::span<const float> logits, const SoftmaxScale& scale, std::span<float> weights) {
  std::ranges::transform(logits, weights.begin(), RoughExponential(scale));
}

ExponentialSums rough_exponential_sums(std::span<const float> logits, const SoftmaxScale& scale, float pivot) {
  return sums_of<float, kLanes>(logits, pivot, RoughExponential(scale));
}

}  // namespace bitmar
