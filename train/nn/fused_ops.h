// The quantizers of docs/model.md as differentiable operators: what training computes in floating point, deployment
// computes in integers. On CPU in FP32 each is one fused pass over its input; elsewhere plain torch operations.
//
//   torch::Tensor y = torch::linear(fake_quantize_activations(x), fake_quantize_ternary(weight, scale), bias);
//
// Rounding is half to even everywhere. The results do not depend on the number of threads.
#pragma once

#include "torch_headers.h"

namespace bitmar {

// The lower bound of a ternary matrix's scale: a learned scale never reaches zero.
inline constexpr float kMinimumTernaryScale = 1e-8f;

// Per token, over the last dimension: s = 127 / max|x|, y = clip(round(x s), -127, 127) / s; a token of zeros stays
// zero. The gradient passes unchanged (straight-through). x: [..., features], floating point.
[[nodiscard]] torch::Tensor fake_quantize_activations(const torch::Tensor& x);

// The same for queries, keys, values and memory slots, scaled to just below 127: they are often integers times one
// scale, and an element of exactly half the largest would stand on a tie between two codes.
inline constexpr double kHeadRange = 127.0 * (1.0 - 0x1p-12);
[[nodiscard]] torch::Tensor fake_quantize_heads(const torch::Tensor& x);

// Attention's queries, keys or values, x [sequences, T, heads · width], as heads [sequences, heads, T, width]: rotated
// by their position (RotaryTable, nn/attention.h) where cosine and sine [T, width / 2] are defined, as the pairs
// (i, i + width / 2); then as fake_quantize_heads. Gradient: straight through the quantization, back through the
// rotation.
[[nodiscard]] torch::Tensor quantized_heads(const torch::Tensor& x, std::int64_t heads,
                                            const torch::Tensor& cosine = {}, const torch::Tensor& sine = {});

// q = clip(round(w / g), -1, 1), y = q g, with g = max(scale, kMinimumTernaryScale); scale: [1].
// Gradients: to w unchanged everywhere (BitNet's straight-through estimator; latent weights beyond the clipping range
// go on learning); to scale by LSQ (Esser et al. 2020): sum(dy * (|w/g| <= 1 ? q - w/g : q)) / sqrt(elements).
[[nodiscard]] torch::Tensor fake_quantize_ternary(const torch::Tensor& weight, const torch::Tensor& scale);

// The LSQ gradient of `scales` [groups], each that of one of as many equal groups of rows, from the gradient of the
// quantized weight; shapes of gradient and weight are equal.
[[nodiscard]] torch::Tensor scale_gradients(const torch::Tensor& gradient, const torch::Tensor& weight,
                                            const torch::Tensor& scales);

// Per row of [rows, columns]: s = F16(max|row| / 127), y = clip(round(w / s), -127, 127) s; a row whose s is zero
// becomes zero. The gradient passes unchanged. Equals quantize_int8_rows of model/schema/tensor_codec.h.
[[nodiscard]] torch::Tensor fake_quantize_int8_rows(const torch::Tensor& weight);

// The share of zero codes of a ternary matrix, in [0, 1]: the quantization effectiveness Q of docs/model.md.
[[nodiscard]] double ternary_zero_fraction(const torch::Tensor& weight, const torch::Tensor& scale);

}  // namespace bitmar
