// The vision tower of docs/model.md in torch, driven by the same config as the runtime's: the FP32 teacher and the
// ternary student of distillation (BitViT).
//
//   VisionTransformer tower(config);
//   torch::Tensor features = tower(images);        // [batch, 3, side, side] normalised -> [batch, patches, F]
//   torch::Tensor targets = pool_patches(features); // [batch, patches / 4, F]
//
// Registered as `vision_tower`, its parameters have the tensor table's names; a ternary matrix has a `.scale` besides.
// Ternary towers quantize the block projections as BitLinear does, and the patch embedding's weights to int8 rows
// (its input, the pixels, stays FP32). Norms, attention and residuals are FP32.
#pragma once

#include <vector>

#include "model/schema/config.h"
#include "nn/bit_linear.h"
#include "torch_headers.h"

namespace bitmar {

// Query, key, value and output with biases; no SubLN: the shape is the teacher's.
class TowerAttentionImpl : public torch::nn::Module {
 public:
  TowerAttentionImpl(const VisionTowerConfig& config, LinearPrecision precision);
  torch::Tensor forward(const torch::Tensor& x);  // quantized where ternary; [batch, tokens, width] -> the same

  BitLinear query{nullptr}, key{nullptr}, value{nullptr}, output{nullptr};

 private:
  std::int64_t heads_;
};
TORCH_MODULE(TowerAttention);

class TowerMlpModuleImpl : public torch::nn::Module {
 public:
  TowerMlpModuleImpl(const VisionTowerConfig& config, LinearPrecision precision);
  torch::Tensor forward(const torch::Tensor& x);  // quantized where ternary

  BitLinear up{nullptr}, down{nullptr};

 private:
  TowerMlp kind_;
};
TORCH_MODULE(TowerMlpModule);

class TowerBlockImpl : public torch::nn::Module {
 public:
  TowerBlockImpl(const VisionTowerConfig& config, LinearPrecision precision);
  torch::Tensor forward(const torch::Tensor& x);

  torch::nn::LayerNorm attention_norm{nullptr}, mlp_norm{nullptr};
  TowerAttention attention{nullptr};
  TowerMlpModule mlp{nullptr};
  torch::Tensor attention_scale, mlp_scale;  // [width], where the config has LayerScale
};
TORCH_MODULE(TowerBlock);

// `[out, in]` weight and `[out]` bias over flattened patches; int8 rows in a ternary tower.
class PatchEmbeddingImpl : public torch::nn::Module {
 public:
  explicit PatchEmbeddingImpl(const VisionTowerConfig& config);
  torch::Tensor forward(const torch::Tensor& images);  // [batch, 3, side, side] -> [batch, patches, width]

  torch::Tensor weight;  // [width, 3 * patch * patch], channel-major as the tensor table's
  torch::Tensor bias;    // [width]

 private:
  std::int64_t patch_;
  bool int8_;
};
TORCH_MODULE(PatchEmbedding);

class VisionTransformerImpl : public torch::nn::Module {
 public:
  // Throws std::invalid_argument on a config that does not validate, and on kInt8: towers are trained in FP32 or
  // ternary.
  explicit VisionTransformerImpl(const VisionTowerConfig& config);

  // The final-norm patch tokens, each followed by the class token where the config has class_feature.
  // images: [batch, 3, image_size, image_size] -> [batch, patches, F], F = config().feature_width()
  torch::Tensor forward(const torch::Tensor& images);
  // The same, and the residual stream after each block: [depth] of [batch, tokens, width].
  torch::Tensor forward_with_residuals(const torch::Tensor& images, std::vector<torch::Tensor>* residuals);

  [[nodiscard]] const VisionTowerConfig& config() const { return config_; }
  [[nodiscard]] std::vector<BitLinear> ternary_layers() const;
  // The share of zeros over all ternary weights; 0 in an FP32 tower.
  [[nodiscard]] double zero_fraction() const;

  PatchEmbedding patch_embedding{nullptr};
  torch::Tensor class_token;         // [width]
  torch::Tensor register_tokens;     // [registers, width], where there are any
  torch::Tensor position_embedding;  // [1 + position_grid^2, width]
  std::vector<TowerBlock> blocks;
  torch::nn::LayerNorm norm{nullptr};

 private:
  [[nodiscard]] torch::Tensor positions() const;  // [1 + patches, width], interpolated to the grid

  VisionTowerConfig config_;
};
TORCH_MODULE(VisionTransformer);

// The mean over 2x2 patches; the grid's side must be even. [batch, side * side, width] -> [batch, side * side / 4,
// width]
[[nodiscard]] torch::Tensor pool_patches(const torch::Tensor& features);

}  // namespace bitmar
