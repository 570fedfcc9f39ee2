// Log-probabilities of tokens from a row of logits, in double precision.
//
//   const LogSoftmax distribution(kernels, logits);
//   sum += distribution[token];
#pragma once

#include <cstddef>
#include <span>

#include "kernels/kernels.h"
#include "text/tokenizer.h"

namespace bitmar {

class LogSoftmax {
 public:
  // Logits [V], which must stay valid. Costs one pass of exponentials; each token after that is free.
  LogSoftmax(const Kernels& kernels, std::span<const float> logits);

  // log p(token). Not finite where the logits are not.
  double operator[](TokenId token) const { return static_cast<double>(logits_[token]) - log_normalizer_; }
  // The token of the largest logit, the lowest of several.
  [[nodiscard]] TokenId most_likely() const { return most_likely_; }

 private:
  std::span<const float> logits_;
  double log_normalizer_;
  TokenId most_likely_;
};

}  // namespace bitmar
