#include "runtime/exponential_sums.h"

#include <cassert>
#include <cmath>
#include <numbers>

namespace bitmar {
namespace {

// The factor of the kernels' rough exponentials.
float rough_factor(const SoftmaxScale& scale) {
  return static_cast<float>(scale.rate * std::numbers::log2e * 0x1p23);
}

}  // namespace

ExponentialSums exponential_sums(const Kernels& kernels, std::span<const float> logits, const SoftmaxScale& scale,
                                 float pivot) {
  ExponentialSums sums;
  kernels.exponential_sums(logits.data(), logits.size(), double{scale.largest}, scale.rate * std::numbers::log2e, pivot,
                           &sums.all, &sums.not_below);
  return sums;
}

double log_sum_exp(const Kernels& kernels, std::span<const float> logits, float largest) {
  return std::log(exponential_sums(kernels, logits, {largest, 1.0}, largest).all) + double{largest};
}

void rough_exponentials(const Kernels& kernels, std::span<const float> logits, const SoftmaxScale& scale,
                        std::span<float> weights) {
  assert(weights.size() == logits.size());
  kernels.rough_exponentials(logits.data(), logits.size(), scale.largest, rough_factor(scale), weights.data());
}

ExponentialSums rough_exponential_sums(const Kernels& kernels, std::span<const float> logits, const SoftmaxScale& scale,
                                       float pivot) {
  ExponentialSums sums;
  kernels.rough_exponential_sums(logits.data(), logits.size(), scale.largest, rough_factor(scale), pivot, &sums.all,
                                 &sums.not_below);
  return sums;
}

}  // namespace bitmar
