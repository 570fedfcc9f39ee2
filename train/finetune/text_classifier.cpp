#include "finetune/text_classifier.h"

#include "objective/contrastive_loss.h"

namespace bitmar {
namespace {

constexpr double kNormEpsilon = 1e-5;

torch::Tensor plain_norm(const torch::Tensor& x) {
  return torch::layer_norm(x, {x.size(-1)}, {}, {}, kNormEpsilon);
}

}  // namespace

ClassificationHeadImpl::ClassificationHeadImpl(std::int64_t inputs, std::int64_t width, std::int64_t classes,
                                               double dropout)
    : hidden_(register_module("hidden", torch::nn::Linear(inputs, width))),
      output_(register_module("output", torch::nn::Linear(width, classes))),
      dropout_(dropout) {}

torch::Tensor ClassificationHeadImpl::forward(const torch::Tensor& pooled) {
  const auto hidden = plain_norm(torch::gelu(hidden_->forward(plain_norm(pooled))));
  return output_->forward(torch::dropout(hidden, dropout_, is_training()));
}

TextClassifierImpl::TextClassifierImpl(const ModelConfig& config, std::int64_t classes, double dropout)
    : model_(register_module("model", BitmarModel(config, 0.0))),
      head_(register_module("head", ClassificationHead(config.memory ? 2 * config.width : config.width, config.width,
                                                       classes, dropout))) {}

torch::Tensor TextClassifierImpl::forward(const torch::Tensor& tokens, const torch::Tensor& mask) {
  ModelInput input;
  input.tokens = tokens.unsqueeze(1);
  input.mask = mask.unsqueeze(1);
  input.image_of_row = torch::full({tokens.size(0)}, -1, torch::kLong);
  const auto fused = model_->fuse(input, {}).fused.squeeze(1);  // [rows, T, d]
  auto pooled = masked_mean(fused, mask);                       // [rows, d]
  if (EpisodicMemory& memory = model_->memory()) {
    pooled = torch::cat({pooled, memory->retrieve(pooled.unsqueeze(1)).squeeze(1)}, 1);
  }
  return head_->forward(pooled);
}

}  // namespace bitmar
