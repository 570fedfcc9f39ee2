// The next-token cross-entropy through the vocabulary head, in chunks of tokens: the [tokens, vocabulary] logits never
// exist as a whole, forward or backward. Loss and gradients are those of the plain computation.
//
//   auto x = fake_quantize_activations(hidden);                                        // [n, d]
//   auto loss = vocabulary_loss(x, head->effective_weight(), targets, {});             // mean over the n tokens
#pragma once

#include <cstdint>

#include "torch_headers.h"

namespace bitmar {

struct VocabularyLossOptions {
  torch::Tensor token_weights = {};   // float [n], each token's share of the loss; may be undefined: 1
  torch::Tensor column_offsets = {};  // [C], added to every token's logits: log importance weights; may be undefined
  std::int64_t chunk_tokens = 256;    // logits held at once: chunk_tokens x C floats
};

// hidden [n, d] and weight [C, d] as the head multiplies them (quantized), targets int64 [n], rows of weight.
// -> the mean of -log softmax(hidden weight^T + offsets)[target], each times its token's weight, a scalar; n > 0. FP32
// whatever autocast says.
[[nodiscard]] torch::Tensor vocabulary_loss(const torch::Tensor& hidden, const torch::Tensor& weight,
                                            const torch::Tensor& targets, const VocabularyLossOptions& options);

}  // namespace bitmar
