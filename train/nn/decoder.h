// The causal text decoder: fusion and memory enter at its input and, gated, before every layer's attention
// (docs/model.md).
//
//   h0 = E[x] + P_f F + P_m r;   h <- h + tanh(g_l) P_l r;   hidden = LN(h_L)
#pragma once

#include <vector>

#include "model/schema/config.h"
#include "nn/bit_linear.h"
#include "nn/text_stack.h"
#include "torch_headers.h"

namespace bitmar {

class TextDecoderImpl : public torch::nn::Module {
 public:
  explicit TextDecoderImpl(const ModelConfig& config);

  // embedded, fused and retrieved: [sequences, T, d]; `retrieved` is undefined with memory = off.
  // -> the head's input [sequences, T, d]
  torch::Tensor forward(const torch::Tensor& embedded, const torch::Tensor& fused, const torch::Tensor& retrieved,
                        const RotaryTable& rotary, const ForwardOptions& options);

 private:
  BitLinear input_{nullptr};                     // InjectionKind::kConcatenate
  BitLinear fusion_{nullptr}, memory_{nullptr};  // InjectionKind::kAdd
  std::vector<TextLayer> layers_;
  torch::nn::LayerNorm norm_{nullptr};
};
TORCH_MODULE(TextDecoder);

}  // namespace bitmar
