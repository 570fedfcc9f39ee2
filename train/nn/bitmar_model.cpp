#include "nn/bitmar_model.h"

#include <cmath>
#include <utility>

#include "nn/fused_ops.h"
#include "nn/upload.h"

namespace bitmar {

BitmarModelImpl::BitmarModelImpl(const ModelConfig& config, double vision_dropout) : config_(config) {
  const std::int64_t vocabulary = config.vocabulary;
  const std::int64_t width = config.width;
  // The gradient is sparse: a step touches the rows of its own tokens only.
  token_embedding_ = register_module("token_embedding",
                                     torch::nn::Embedding(torch::nn::EmbeddingOptions(vocabulary, width).sparse(true)));
  {
    const torch::NoGradGuard no_grad;
    token_embedding_->weight.normal_(0.0, 1.0 / std::sqrt(static_cast<double>(width)));
  }
  encoder_ = register_module("encoder", TextEncoder(config));
  vision_ = register_module("vision", VisionCompression(config, vision_dropout));
  fusion_ = register_module("fusion", Fusion(config));
  if (config.memory) memory_ = register_module("memory", EpisodicMemory(config));
  decoder_ = register_module("decoder", TextDecoder(config));
  output_ = register_module("output", BitLinear(width, vocabulary));
}

torch::Tensor BitmarModelImpl::embed(const torch::Tensor& tokens) {
  const torch::Device device = token_embedding_->weight.device();
  const auto [used, place] = at::_unique(tokens.cpu(), true, true);
  const auto rows = fake_quantize_int8_rows(token_embedding_->forward(upload(used, device)));  // [used, d]
  auto shape = tokens.sizes().vec();
  shape.push_back(config_.width);
  return rows.index_select(0, upload(place.reshape(-1), device)).view(shape);
}

const RotaryTable& BitmarModelImpl::rotary(std::int64_t length, torch::Device device) {
  if (!rotary_.cosine.defined() || rotary_.cosine.size(0) != length || rotary_.cosine.device() != device) {
    rotary_ = RotaryTable::make(length, config_.head_width(), config_.rope_base, device);
  }
  return rotary_;
}

FusedOutput BitmarModelImpl::fuse(const ModelInput& input, const ModelRunOptions& options) {
  const std::int64_t rows = input.tokens.size(0);
  const std::int64_t segments = input.tokens.size(1);
  const std::int64_t length = input.tokens.size(2);
  const std::int64_t width = config_.width;
  const RotaryTable& table = rotary(length, token_embedding_->weight.device());
  const ForwardOptions encoding{options.checkpoint_activations, options.maps ? &options.maps->encoder : nullptr};

  FusedOutput output;
  output.embedded = embed(input.tokens).view({rows * segments, length, width});
  output.states = encoder_->forward(output.embedded, table, encoding).view({rows, segments, length, width});
  if (input.features.defined()) output.vision = vision_->forward(input.features);
  output.fused = fusion_
                     ->forward(output.states.view({rows, segments * length, width}), vision_->null_token(),
                               output.vision, input.image_of_row, options.maps ? &options.maps->fusion : nullptr)
                     .view({rows, segments, length, width});
  return output;
}

ModelOutput BitmarModelImpl::forward(const ModelInput& input, const ModelRunOptions& options) {
  const std::int64_t rows = input.tokens.size(0);
  const std::int64_t segments = input.tokens.size(1);
  const std::int64_t length = input.tokens.size(2);
  const std::int64_t width = config_.width;
  const ForwardOptions decoding{options.checkpoint_activations, options.maps ? &options.maps->decoder : nullptr};

  const FusedOutput fusion = fuse(input, options);
  ModelOutput output;
  output.states = fusion.states;
  output.vision = fusion.vision;
  torch::Tensor retrieved;
  if (memory_) {
    output.memory = memory_->forward(memory_->queries(fusion.fused), input.mask);
    retrieved = output.memory.retrieved.view({rows * segments, length, width});
  }
  const auto hidden = decoder_->forward(fusion.embedded, fusion.fused.view({rows * segments, length, width}), retrieved,
                                        rotary(length, token_embedding_->weight.device()), decoding);
  output.hidden = hidden.view({rows, segments, length, width});
  return output;
}

std::vector<std::pair<std::string, BitLinear>> BitmarModelImpl::ternary_layers() {
  std::vector<std::pair<std::string, BitLinear>> layers;
  for (const auto& item : named_modules("", false)) {
    if (auto layer = std::dynamic_pointer_cast<BitLinearImpl>(item.value())) {
      layers.emplace_back(item.key(), BitLinear(layer));
    }
  }
  return layers;
}

}  // namespace bitmar
