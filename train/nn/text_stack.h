// The transformer layer that encoder and decoder share, and the causal text encoder.
//
//   h <- h + O(SubLN(attention(LN(h))));   h <- h + Down(SubLN(gelu(Up(LN(h)))))
#pragma once

#include <vector>

#include "model/schema/config.h"
#include "nn/attention.h"
#include "nn/bit_linear.h"
#include "torch_headers.h"

namespace bitmar {

// What a forward pass is asked to do besides computing: diagnostics and memory saving.
struct ForwardOptions {
  bool checkpoint_activations = false;              // recompute every layer in the backward pass
  std::vector<torch::Tensor>* attention = nullptr;  // receives each layer's probabilities, in order
};

class FeedForwardImpl : public torch::nn::Module {
 public:
  FeedForwardImpl(std::int64_t width, std::int64_t hidden, double norm_epsilon);
  torch::Tensor forward(const torch::Tensor& x);  // [..., d] -> [..., d]

 private:
  BitLinear up_{nullptr};
  torch::nn::LayerNorm down_norm_{nullptr};
  BitLinear down_{nullptr};
};
TORCH_MODULE(FeedForward);

class TextLayerImpl : public torch::nn::Module {
 public:
  // `memory_injection`: a decoder layer of a model with memory has P_l and the gate g_l.
  TextLayerImpl(const ModelConfig& config, bool memory_injection);

  // h [sequences, T, d]; `retrieved` the same shape, used where the layer has an injection.
  torch::Tensor forward(const torch::Tensor& h, const torch::Tensor& retrieved, const RotaryTable& rotary,
                        torch::Tensor* probabilities);

 private:
  torch::nn::LayerNorm attention_norm_{nullptr}, ffn_norm_{nullptr};
  Attention attention_{nullptr};
  FeedForward ffn_{nullptr};
  BitLinear memory_{nullptr};
  torch::Tensor memory_gate_;
};
TORCH_MODULE(TextLayer);

// Runs `layers` in order on h, under the options; shared by both stacks.
[[nodiscard]] torch::Tensor run_layers(std::vector<TextLayer>& layers, torch::Tensor h, const torch::Tensor& retrieved,
                                       const RotaryTable& rotary, const ForwardOptions& options);

class TextEncoderImpl : public torch::nn::Module {
 public:
  explicit TextEncoderImpl(const ModelConfig& config);
  // Embedded tokens [sequences, T, d] -> Z [sequences, T, d].
  torch::Tensor forward(const torch::Tensor& embedded, const RotaryTable& rotary, const ForwardOptions& options);

 private:
  std::vector<TextLayer> layers_;
  torch::nn::LayerNorm norm_{nullptr};
};
TORCH_MODULE(TextEncoder);

}  // namespace bitmar
