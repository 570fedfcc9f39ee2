#include "nn/decoder.h"

#include <string>

namespace bitmar {

TextDecoderImpl::TextDecoderImpl(const ModelConfig& config) {
  const std::int64_t width = config.width;
  if (config.injection == InjectionKind::kConcatenate) {
    input_ = register_module("input", BitLinear(config.memory ? 3 * width : 2 * width, width));
  } else {
    fusion_ = register_module("fusion", BitLinear(width, width));
    if (config.memory) memory_ = register_module("memory", BitLinear(width, width));
  }
  for (std::uint32_t layer = 0; layer < config.decoder_layers; ++layer) {
    layers_.push_back(register_module(std::to_string(layer), TextLayer(config, config.memory)));
  }
  norm_ = register_module("norm", make_norm(width, config.norm_epsilon));
}

torch::Tensor TextDecoderImpl::forward(const torch::Tensor& embedded, const torch::Tensor& fused,
                                       const torch::Tensor& retrieved, const RotaryTable& rotary,
                                       const ForwardOptions& options) {
  torch::Tensor h;
  if (input_) {
    std::vector<torch::Tensor> parts{embedded, fused};
    if (retrieved.defined()) parts.push_back(retrieved);
    h = input_->forward(torch::cat(parts, -1));
  } else {
    h = embedded + fusion_->forward(fused);
    if (retrieved.defined()) h = h + memory_->forward(retrieved);
  }
  return norm_->forward(run_layers(layers_, h, retrieved, rotary, options));
}

}  // namespace bitmar
