#include "eval/scoring/log_softmax.h"

#include <cmath>

#include "kernels/ops.h"
#include "runtime/exponential_sums.h"

namespace bitmar {

LogSoftmax::LogSoftmax(const Kernels& kernels, std::span<const float> logits)
    : logits_(logits), most_likely_(static_cast<TokenId>(row_max_index(kernels, logits))) {
  const float largest = logits[most_likely_];
  log_normalizer_ =
      static_cast<double>(largest) + std::log(exponential_sums(logits, {.largest = largest, .rate = 1.0}, largest).all);
}

}  // namespace bitmar
