// Softmax attention of one head, forward and backward, in FP32: a sequence's keys and values stay in the cache while
// blocks of its queries pass over them, and no [queries, keys] matrix is kept. Plain loops over vectors of 16 floats;
// each sum has one order on every processor.
//
//   AttentionScratch scratch;                                               // one a thread
//   attention_forward(shape, query, key, value, out, log_sums, scratch);
//   attention_backward(shape, query, key, value, out, log_sums, d_out, {d_query, d_key, d_value}, scratch);
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace bitmar {

// What a head may be wide.
inline constexpr std::size_t kAttentionWidths[] = {32, 64};

// Whether the processor has AVX-512's registers. Blocks of queries are smaller without; the results are the same bits.
[[nodiscard]] bool has_wide_vectors();

struct AttentionShape {
  std::size_t queries = 0;
  std::size_t keys = 0;
  std::size_t width = 0;  // one of kAttentionWidths
  bool causal = false;    // query t sees keys 0..t: as many keys as queries
  bool wide_vectors = has_wide_vectors();
};

// Rows of `width` floats, `stride` floats from one to the next.
struct HeadRows {
  const float* data = nullptr;
  std::size_t stride = 0;
  [[nodiscard]] const float* row(std::size_t i) const { return data + i * stride; }
};
struct MutableHeadRows {
  float* data = nullptr;
  std::size_t stride = 0;
  [[nodiscard]] float* row(std::size_t i) const { return data + i * stride; }
};

// Grows to what the largest head needs.
struct AttentionScratch {
  std::vector<float> keys_transposed, values_transposed, queries, weights, gradients;
};

// out = softmax(query key^T / sqrt(width)) value; log_sums [queries]: the logarithm to the base of two of every row's
// sum, for the backward pass.
void attention_forward(const AttentionShape& shape, HeadRows query, HeadRows key, HeadRows value, MutableHeadRows out,
                       std::span<float> log_sums, AttentionScratch& scratch);

struct AttentionGradients {
  MutableHeadRows query, key, value;  // overwritten
};

// From the forward pass' out and log_sums and the gradient of out.
void attention_backward(const AttentionShape& shape, HeadRows query, HeadRows key, HeadRows value, HeadRows out,
                        std::span<const float> log_sums, HeadRows d_out, const AttentionGradients& gradients,
                        AttentionScratch& scratch);

}  // namespace bitmar
