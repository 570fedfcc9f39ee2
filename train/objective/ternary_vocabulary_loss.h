// The vocabulary loss from what the ternary head is made of, its latent rows: on a CPU the logits are integer products,
// exactly those of deployment, and the gradients' products run in BF16. Neither all logits nor all probabilities of a
// batch exist at once.
//
//   auto loss = ternary_vocabulary_loss(hidden, head->weight, head->scale, targets, {}, GradientProducts::kBFloat16);
#pragma once

#include "nn/ternary_linear.h"
#include "objective/vocabulary_loss.h"
#include "torch_headers.h"

namespace bitmar {

// vocabulary_loss(fake_quantize_activations(hidden), fake_quantize_ternary(weight, scale), targets, options), with
// gradients for hidden [n, d], weight [C, d] and scale [1]. That very expression with GradientProducts::kFloat32 and on
// other devices. In BF16 a gradient's relative error is a few times 2^-9; the loss is exact to FP32.
[[nodiscard]] torch::Tensor ternary_vocabulary_loss(const torch::Tensor& hidden, const torch::Tensor& weight,
                                                    const torch::Tensor& scale, const torch::Tensor& targets,
                                                    const VocabularyLossOptions& options, GradientProducts products);

}  // namespace bitmar
