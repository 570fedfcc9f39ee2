#include "nn/fusion.h"

#include <cmath>
#include <limits>

#include "nn/upload.h"

namespace bitmar {

torch::Tensor pool_features(const torch::Tensor& features) {
  const std::int64_t patches = features.size(1);
  const auto side = static_cast<std::int64_t>(std::llround(std::sqrt(static_cast<double>(patches))));
  if (side < 2 || side % 2 != 0 || side * side != patches) return features;
  const std::int64_t half = side / 2;
  return features.view({features.size(0), half, 2, half, 2, features.size(2)})
      .mean(at::IntArrayRef{2, 4})
      .view({features.size(0), half * half, features.size(2)});
}

VisionCompressionImpl::VisionCompressionImpl(const ModelConfig& config, double dropout)
    : compression_(register_module("compression", torch::nn::ModuleList())),
      norm_(register_module("norm", make_norm(config.width, config.norm_epsilon))),
      null_token_(register_parameter("null_token", torch::randn({config.width}) * 0.02)),
      dropout_(dropout) {
  compression_->push_back(BitLinear(config.vision_width, config.compression_hidden));
  compression_->push_back(BitLinear(config.compression_hidden, config.width));
}

torch::Tensor VisionCompressionImpl::forward(const torch::Tensor& features) {
  auto hidden = torch::relu(compression_->ptr<BitLinearImpl>(0)->forward(pool_features(features)));
  hidden = torch::dropout(hidden, dropout_, is_training());
  return norm_->forward(compression_->ptr<BitLinearImpl>(1)->forward(hidden));
}

FusionImpl::FusionImpl(const ModelConfig& config)
    : attention_(register_module("attention", Attention(config.width, config.heads, config.norm_epsilon))),
      norm_(register_module("norm", make_norm(config.width, config.norm_epsilon))) {}

torch::Tensor FusionImpl::forward(const torch::Tensor& states, const torch::Tensor& null_token,
                                  const torch::Tensor& vision, const torch::Tensor& image_of_row,
                                  torch::Tensor* probabilities) {
  const std::int64_t rows = states.size(0);
  auto keys = null_token.view({1, 1, -1}).expand({rows, 1, null_token.size(0)});
  torch::Tensor mask;
  if (vision.defined()) {
    const torch::Device device = states.device();
    const auto image = image_of_row.cpu();
    keys = torch::cat({keys, vision.index_select(0, upload(image.clamp_min(0), device))}, 1);  // [rows, 1 + N', d]
    const auto without_image = image.lt(0);
    if (without_image.any().item<bool>()) {
      mask = torch::zeros({rows, 1, 1, keys.size(1)}, states.options().dtype(torch::kFloat32));
      mask.narrow(3, 1, keys.size(1) - 1)
          .masked_fill_(upload(without_image, device).view({rows, 1, 1, 1}), -std::numeric_limits<float>::infinity());
    }
  }
  const auto attended = attention_->forward(
      states, keys, {.causal = false, .rotary = nullptr, .mask = mask, .probabilities = probabilities});
  return norm_->forward(states + attended);
}

}  // namespace bitmar
