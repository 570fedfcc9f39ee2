// Vision compression and cross-modal fusion (docs/model.md).
//
//   V = LN(BitLinear1(dropout(relu(BitLinear0(pool(features))))));   F = LN(Z + MHA(Z; [null; V]))
#pragma once

#include "model/schema/config.h"
#include "nn/attention.h"
#include "nn/bit_linear.h"
#include "torch_headers.h"

namespace bitmar {

// 2x2 average pooling of features [images, N, F] over the patch grid where N is a square of an even side (>= 2);
// otherwise the features as they are.
[[nodiscard]] torch::Tensor pool_features(const torch::Tensor& features);

class VisionCompressionImpl : public torch::nn::Module {
 public:
  VisionCompressionImpl(const ModelConfig& config, double dropout);
  torch::Tensor forward(const torch::Tensor& features);            // [images, N, F] -> V [images, N', d]
  const torch::Tensor& null_token() const { return null_token_; }  // [d]

 private:
  torch::nn::ModuleList compression_{nullptr};  // two BitLinear
  torch::nn::LayerNorm norm_{nullptr};
  torch::Tensor null_token_;
  double dropout_;
};
TORCH_MODULE(VisionCompression);

class FusionImpl : public torch::nn::Module {
 public:
  explicit FusionImpl(const ModelConfig& config);
  // states Z [rows, T, d]; `vision` V [images, N', d], or undefined where no row has an image; `image_of_row` [rows]
  // indexes it, -1 for text alone: that row sees only the null token. -> F [rows, T, d]
  torch::Tensor forward(const torch::Tensor& states, const torch::Tensor& null_token, const torch::Tensor& vision,
                        const torch::Tensor& image_of_row, torch::Tensor* probabilities);

 private:
  Attention attention_{nullptr};
  torch::nn::LayerNorm norm_{nullptr};
};
TORCH_MODULE(Fusion);

}  // namespace bitmar
