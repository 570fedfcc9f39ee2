// Sums of exp((logit - largest) * rate) over a row of logits, which sampling, beam search and scoring need: one in
// double precision, and one of a few instructions a logit whose error is bounded.
#pragma once

#include <span>

#include "kernels/kernels.h"

namespace bitmar {

struct ExponentialSums {
  double not_below = 0.0;  // over the logits not below the pivot
  double all = 0.0;
};

// The logits' scale: finite, none above `largest`. -infinity has the weight 0.
struct SoftmaxScale {
  float largest = 0.0f;
  double rate = 1.0;  // 1 / temperature, at most kMaximumRate

  static constexpr double kMaximumRate = 1e30;
};

// Relative error below 1e-12; weights below 1e-300 count as 0 or as 1e-300.
[[nodiscard]] ExponentialSums exponential_sums(const Kernels& kernels, std::span<const float> logits,
                                               const SoftmaxScale& scale, float pivot);
// log(sum of exp(logit)), whose largest is `largest`: a logit less it is the logarithm of its softmax.
[[nodiscard]] double log_sum_exp(const Kernels& kernels, std::span<const float> logits, float largest);

// A number from the exponential itself (times kRoughUnder) up to kRoughOver times it, or 2^-126 where it is below that:
// 2^n (1 + f) in the place of 2^(n + f), which is the exponent and mantissa of one integer (Schraudolph 1999).
inline constexpr double kRoughOver = 1.0615 * 1.001;
inline constexpr double kRoughUnder = 0.999;
void rough_exponentials(const Kernels& kernels, std::span<const float> logits, const SoftmaxScale& scale,
                        std::span<float> weights);
// Sums of these; a sum of up to 65536 of them keeps the bounds.
[[nodiscard]] ExponentialSums rough_exponential_sums(const Kernels& kernels, std::span<const float> logits,
                                                     const SoftmaxScale& scale, float pivot);

}  // namespace bitmar
