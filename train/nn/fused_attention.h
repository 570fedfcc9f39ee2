// Attention over heads as one differentiable operator: softmax(query key^T / sqrt(width)) value.
#pragma once

#include "torch_headers.h"

namespace bitmar {

// query [sequences, heads, T, width], key and value [sequences, heads, keys, width] -> [sequences, T, heads * width].
// `mask`, undefined or added to the scores, broadcasts to [sequences, heads, T, keys]; causal: position t sees keys
// 0..t. On a CPU in FP32, without a mask and for heads of kAttentionWidths it is attention_kernels.h, whose result does
// not depend on the number of threads; else torch's own.
[[nodiscard]] torch::Tensor fused_attention(const torch::Tensor& query, const torch::Tensor& key,
                                            const torch::Tensor& value, const torch::Tensor& mask, bool causal);

}  // namespace bitmar
