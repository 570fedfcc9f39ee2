// The product of quantized activations and ternary weights as one differentiable operator (docs/model.md). On a CPU the
// forward product is the integer one of deployment, exact; the backward products run in FP32 or in BF16.
//
//   y = ternary_linear(x, weight, scale, GradientProducts::kBFloat16);       // [..., in] -> [..., out]
//   qkv = ternary_linear(x, cat({wq, wk, wv}), cat({sq, sk, sv}), …);        // three matrices, one pass over x
#pragma once

#include "torch_headers.h"

namespace bitmar {

// In what the two matrix products of a backward pass are computed: their operands' precision; sums are FP32.
enum class GradientProducts { kFloat32, kBFloat16 };

// fake_quantize_activations(x) · fake_quantize_ternary(weight, scales)ᵀ. x [..., in]; weight [groups · out, in],
// latent; scales [groups], the scale of each group of rows. Gradients as of those two operators (fused_ops.h): straight
// through to x and weight, LSQ to each scale. Other devices and types than FP32 on a CPU take torch's operations.
[[nodiscard]] torch::Tensor ternary_linear(const torch::Tensor& x, const torch::Tensor& weight,
                                           const torch::Tensor& scales, GradientProducts products);

// The codes of ternary_linear's operands, for operators that do not stop at the product.
struct QuantizedTokens {
  torch::Tensor codes;    // int8 [tokens, in]
  torch::Tensor inverse;  // [tokens]: 1 / s
};
[[nodiscard]] QuantizedTokens quantize_tokens(const torch::Tensor& x);  // x FP32 [tokens, in]
[[nodiscard]] torch::Tensor quantize_matrix(const torch::Tensor& weight, const torch::Tensor& scales);  // int8

}  // namespace bitmar
