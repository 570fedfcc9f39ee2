#include "nn/vision_transformer.h"

#include <fmt/format.h>
#include <torch/nn/functional/upsampling.h>

#include <cmath>
#include <stdexcept>

#include "nn/fused_attention.h"
#include "nn/fused_ops.h"

namespace bitmar {
namespace {

namespace F = torch::nn::functional;

torch::nn::LayerNorm make_norm(const VisionTowerConfig& config) {
  return torch::nn::LayerNorm(
      torch::nn::LayerNormOptions({static_cast<std::int64_t>(config.width)}).eps(config.norm_epsilon));
}

LinearPrecision block_precision(const VisionTowerConfig& config) {
  switch (config.precision) {
    case TowerPrecision::kFloat32:
      return LinearPrecision::kFloat32;
    case TowerPrecision::kTernary:
      return LinearPrecision::kTernary;
    case TowerPrecision::kInt8:
      break;
  }
  throw std::invalid_argument(
      fmt::format("vision tower '{}': int8 towers are not trained; expected float32 or ternary", config.name));
}

}  // namespace

TowerAttentionImpl::TowerAttentionImpl(const VisionTowerConfig& config, LinearPrecision precision)
    : heads_(config.heads) {
  const auto linear = [&](const char* name) {
    return register_module(name, BitLinear(config.width, config.width, true, precision));
  };
  query = linear("query");
  key = linear("key");
  value = linear("value");
  output = linear("output");
}

torch::Tensor TowerAttentionImpl::forward(const torch::Tensor& x) {
  const std::int64_t batch = x.size(0);
  const std::int64_t tokens = x.size(1);
  const std::int64_t width = x.size(2);
  auto parts = project_together(x, {query, key, value});
  for (auto& part : parts) {  // ternary: as in the runtime, 8-bit codes with a scale a head
    part = query->is_ternary() ? quantized_heads(part, heads_)
                               : part.view({batch, tokens, heads_, width / heads_}).transpose(1, 2);
  }
  return output(fused_attention(parts[0], parts[1], parts[2], {}, false));
}

TowerMlpModuleImpl::TowerMlpModuleImpl(const VisionTowerConfig& config, LinearPrecision precision) : kind_(config.mlp) {
  const std::int64_t hidden = config.mlp_hidden;
  up =
      register_module("up", BitLinear(config.width, kind_ == TowerMlp::kSwiGlu ? 2 * hidden : hidden, true, precision));
  down = register_module("down", BitLinear(hidden, config.width, true, precision));
}

torch::Tensor TowerMlpModuleImpl::forward(const torch::Tensor& x) {
  const torch::Tensor hidden = up(x);
  if (kind_ == TowerMlp::kGelu) return down(torch::gelu(hidden));
  const auto halves = hidden.chunk(2, -1);
  return down(torch::silu(halves[0]) * halves[1]);
}

TowerBlockImpl::TowerBlockImpl(const VisionTowerConfig& config, LinearPrecision precision) {
  const auto width = static_cast<std::int64_t>(config.width);
  attention_norm = register_module("attention_norm", make_norm(config));
  attention = register_module("attention", TowerAttention(config, precision));
  if (config.layer_scale) attention_scale = register_parameter("attention_scale", torch::ones({width}));
  mlp_norm = register_module("mlp_norm", make_norm(config));
  mlp = register_module("mlp", TowerMlpModule(config, precision));
  if (config.layer_scale) mlp_scale = register_parameter("mlp_scale", torch::ones({width}));
}

torch::Tensor TowerBlockImpl::forward(const torch::Tensor& x) {
  torch::Tensor mixed = attention(attention_norm(x));
  if (attention_scale.defined()) mixed = mixed * attention_scale;
  const torch::Tensor middle = mixed.add_(x);
  torch::Tensor fed = mlp(mlp_norm(middle));
  if (mlp_scale.defined()) fed = fed * mlp_scale;
  return fed.add_(middle);
}

PatchEmbeddingImpl::PatchEmbeddingImpl(const VisionTowerConfig& config)
    : patch_(config.patch_size), int8_(config.precision == TowerPrecision::kTernary) {
  const std::int64_t width = config.width;
  const std::int64_t values = 3 * patch_ * patch_;
  weight = register_parameter("weight", torch::randn({width, values}) / std::sqrt(static_cast<double>(values)));
  bias = register_parameter("bias", torch::zeros({width}));
}

torch::Tensor PatchEmbeddingImpl::forward(const torch::Tensor& images) {
  const std::int64_t batch = images.size(0);
  const std::int64_t grid = images.size(2) / patch_;
  const torch::Tensor patches = images.view({batch, 3, grid, patch_, grid, patch_})
                                    .permute({0, 2, 4, 1, 3, 5})
                                    .reshape({batch, grid * grid, 3 * patch_ * patch_});
  return torch::linear(patches, int8_ ? fake_quantize_int8_rows(weight) : weight, bias);
}

VisionTransformerImpl::VisionTransformerImpl(const VisionTowerConfig& config) : config_(config) {
  if (const auto valid = config.validate(); !valid) throw std::invalid_argument(valid.error().message);
  const LinearPrecision precision = block_precision(config);
  const std::int64_t width = config.width;
  const std::int64_t position_count = 1 + static_cast<std::int64_t>(config.position_grid) * config.position_grid;
  patch_embedding = register_module("patch_embedding", PatchEmbedding(config));
  class_token = register_parameter("class_token", torch::randn({width}) * 0.02);
  if (config.register_tokens > 0) {
    register_tokens = register_parameter("register_tokens", torch::randn({config.register_tokens, width}) * 0.02);
  }
  position_embedding = register_parameter("position_embedding", torch::randn({position_count, width}) * 0.02);
  for (std::uint32_t layer = 0; layer < config.depth; ++layer) {
    blocks.push_back(register_module(std::to_string(layer), TowerBlock(config, precision)));
  }
  norm = register_module("norm", make_norm(config));
}

torch::Tensor VisionTransformerImpl::positions() const {
  const std::int64_t learned = config_.position_grid;
  const std::int64_t grid = config_.grid();
  if (learned == grid) return position_embedding;
  const torch::Tensor map =
      position_embedding.slice(0, 1).view({1, learned, learned, config_.width}).permute({0, 3, 1, 2}).contiguous();
  const torch::Tensor resized = F::interpolate(map, F::InterpolateFuncOptions()
                                                        .size(std::vector<std::int64_t>{grid, grid})
                                                        .mode(torch::kBicubic)
                                                        .align_corners(false)
                                                        .antialias(config_.position_antialias));
  return torch::cat(
      {position_embedding.slice(0, 0, 1), resized.permute({0, 2, 3, 1}).reshape({grid * grid, config_.width})});
}

torch::Tensor VisionTransformerImpl::forward(const torch::Tensor& images) {
  return forward_with_residuals(images, nullptr);
}

torch::Tensor VisionTransformerImpl::forward_with_residuals(const torch::Tensor& images,
                                                            std::vector<torch::Tensor>* residuals) {
  const std::int64_t side = config_.image_size;
  TORCH_CHECK(images.dim() == 4 && images.size(1) == 3 && images.size(2) == side && images.size(3) == side,
              "vision tower '", config_.name, "': expected images [batch, 3, ", side, ", ", side, "], got ",
              images.sizes());
  const std::int64_t batch = images.size(0);
  const torch::Tensor position = positions();
  const torch::Tensor patches = patch_embedding(images).add_(position.slice(0, 1));
  const torch::Tensor first = (class_token + position.select(0, 0)).expand({batch, 1, -1});
  torch::Tensor x = register_tokens.defined() ? torch::cat({first, register_tokens.expand({batch, -1, -1}), patches}, 1)
                                              : torch::cat({first, patches}, 1);
  for (auto& block : blocks) {
    x = block(x);
    if (residuals != nullptr) residuals->push_back(x);
  }
  const torch::Tensor normed = norm(x);
  const torch::Tensor patch_tokens = normed.slice(1, 1 + static_cast<std::int64_t>(config_.register_tokens));
  if (!config_.class_feature) return patch_tokens;
  return torch::cat({patch_tokens, normed.slice(1, 0, 1).expand_as(patch_tokens)}, -1);
}

std::vector<BitLinear> VisionTransformerImpl::ternary_layers() const {
  std::vector<BitLinear> layers;
  if (config_.precision != TowerPrecision::kTernary) return layers;
  for (const auto& block : blocks) {
    const auto& attention = block->attention;
    layers.insert(layers.end(), {attention->query, attention->key, attention->value, attention->output, block->mlp->up,
                                 block->mlp->down});
  }
  return layers;
}

double VisionTransformerImpl::zero_fraction() const {
  double zeros = 0.0;
  double count = 0.0;
  for (const auto& layer : ternary_layers()) {
    zeros += layer->zero_fraction() * static_cast<double>(layer->weight.numel());
    count += static_cast<double>(layer->weight.numel());
  }
  return count > 0.0 ? zeros / count : 0.0;
}

torch::Tensor pool_patches(const torch::Tensor& features) {
  const auto side = static_cast<std::int64_t>(std::lround(std::sqrt(static_cast<double>(features.size(1)))));
  TORCH_CHECK(side * side == features.size(1) && side % 2 == 0,
              "pool_patches: expected a square grid of even side, got ", features.size(1), " patches");
  return features.reshape({features.size(0), side / 2, 2, side / 2, 2, features.size(2)})
      .mean(at::IntArrayRef{2, 4})
      .flatten(1, 2);
}

}  // namespace bitmar
