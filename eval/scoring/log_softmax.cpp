#include "eval/scoring/log_softmax.h"

#include "kernels/ops.h"
#include "runtime/exponential_sums.h"

namespace bitmar {

LogSoftmax::LogSoftmax(const Kernels& kernels, std::span<const float> logits)
    : logits_(logits),
      most_likely_(static_cast<TokenId>(row_max_index(kernels, logits))),
      log_normalizer_(log_sum_exp(kernels, logits, logits[most_likely_])) {}

}  // namespace bitmar
