#include "nn/text_stack.h"

#include "nn/checkpointing.h"

namespace bitmar {

FeedForwardImpl::FeedForwardImpl(std::int64_t width, std::int64_t hidden, double norm_epsilon)
    : up_(register_module("up", BitLinear(width, hidden))),
      down_norm_(register_module("down_norm", make_norm(hidden, norm_epsilon))),
      down_(register_module("down", BitLinear(hidden, width))) {}

torch::Tensor FeedForwardImpl::forward(const torch::Tensor& x) {
  return down_->forward(down_norm_->forward(torch::gelu(up_->forward(x))));
}

TextLayerImpl::TextLayerImpl(const ModelConfig& config, bool memory_injection)
    : attention_norm_(register_module("attention_norm", make_norm(config.width, config.norm_epsilon))),
      ffn_norm_(register_module("ffn_norm", make_norm(config.width, config.norm_epsilon))),
      attention_(register_module("attention", Attention(config.width, config.heads, config.norm_epsilon))),
      ffn_(register_module("ffn", FeedForward(config.width, config.ffn_hidden, config.norm_epsilon))) {
  if (memory_injection) {
    memory_ = register_module("memory", BitLinear(config.width, config.width));
    memory_gate_ = register_parameter("memory_gate", torch::zeros({1}));
  }
}

torch::Tensor TextLayerImpl::forward(const torch::Tensor& h, const torch::Tensor& retrieved, const RotaryTable& rotary,
                                     torch::Tensor* probabilities) {
  auto state = h;
  if (memory_) state = state + torch::tanh(memory_gate_) * memory_->forward(retrieved);
  const auto normed = attention_norm_->forward(state);
  state = state + attention_->forward(normed, normed,
                                      {.causal = true, .rotary = &rotary, .mask = {}, .probabilities = probabilities});
  return state + ffn_->forward(ffn_norm_->forward(state));
}

torch::Tensor run_layers(std::vector<TextLayer>& layers, torch::Tensor h, const torch::Tensor& retrieved,
                         const RotaryTable& rotary, const ForwardOptions& options) {
  for (auto& layer : layers) {
    torch::Tensor probabilities;
    torch::Tensor* wanted = options.attention != nullptr ? &probabilities : nullptr;
    if (options.checkpoint_activations && torch::GradMode::is_enabled()) {
      h = checkpointed(
          [layer, rotary](const std::vector<torch::Tensor>& inputs) mutable {
            return layer->forward(inputs[0], inputs.size() > 1 ? inputs[1] : torch::Tensor(), rotary, nullptr);
          },
          retrieved.defined() ? std::vector{h, retrieved} : std::vector{h});
    } else {
      h = layer->forward(h, retrieved, rotary, wanted);
    }
    if (wanted != nullptr) options.attention->push_back(probabilities);
  }
  return h;
}

TextEncoderImpl::TextEncoderImpl(const ModelConfig& config) {
  for (std::uint32_t layer = 0; layer < config.encoder_layers; ++layer) {
    layers_.push_back(register_module(std::to_string(layer), TextLayer(config, false)));
  }
  norm_ = register_module("norm", make_norm(config.width, config.norm_epsilon));
}

torch::Tensor TextEncoderImpl::forward(const torch::Tensor& embedded, const RotaryTable& rotary,
                                       const ForwardOptions& options) {
  return norm_->forward(run_layers(layers_, embedded, {}, rotary, options));
}

}  // namespace bitmar
