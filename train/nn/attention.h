// Multi-head attention of docs/model.md: BitLinear projections, rotary positions (NeoX halves) or none, and SubLN: a
// norm on the concatenated heads right before the output projection. Queries, keys and values are quantized to 8 bits
// head by head, after the rotation.
//
//   Attention attention(config.width, config.heads, config.norm_epsilon);
//   h = h + attention->forward(x, x, {.causal = true, .rotary = &rotary});   // [sequences, T, d]
#pragma once

#include "nn/bit_linear.h"
#include "torch_headers.h"

namespace bitmar {

// cos and sin of position * base^(-2i / head_width), each [T, head_width / 2].
struct RotaryTable {
  torch::Tensor cosine;
  torch::Tensor sine;

  static RotaryTable make(std::int64_t positions, std::int64_t head_width, double base, torch::Device device);
};

struct AttentionOptions {
  bool causal = false;
  const RotaryTable* rotary = nullptr;
  torch::Tensor mask = {};                 // additive, broadcast to [sequences, heads, queries, keys]; may be undefined
  torch::Tensor* probabilities = nullptr;  // diagnostics: receives [sequences, heads, queries, keys], detached
};

class AttentionImpl : public torch::nn::Module {
 public:
  AttentionImpl(std::int64_t width, std::int64_t heads, double norm_epsilon);

  // queries [sequences, Tq, d], memory [sequences, Tk, d] -> [sequences, Tq, d].
  torch::Tensor forward(const torch::Tensor& queries, const torch::Tensor& keys_values,
                        const AttentionOptions& options);

 private:
  std::int64_t heads_;
  BitLinear query_{nullptr}, key_{nullptr}, value_{nullptr}, output_{nullptr};
  torch::nn::LayerNorm output_norm_{nullptr};
};
TORCH_MODULE(Attention);

[[nodiscard]] torch::nn::LayerNorm make_norm(std::int64_t width, double epsilon);

}  // namespace bitmar
