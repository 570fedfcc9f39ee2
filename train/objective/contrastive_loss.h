// Symmetric InfoNCE between texts and their images (docs/model.md, "Objective"), with a learned temperature.
#pragma once

#include "torch_headers.h"

namespace bitmar {

struct ContrastiveResult {
  torch::Tensor loss;    // scalar
  torch::Tensor cosine;  // the mean cosine of the pairs, detached: the alignment that the controller watches
};

class ContrastiveLossImpl : public torch::nn::Module {
 public:
  ContrastiveLossImpl();

  // texts, images [pairs, d]; `identity` int64 [pairs] numbers the images: two pairs of one image are no negatives of
  // each other.
  ContrastiveResult forward(const torch::Tensor& texts, const torch::Tensor& images, const torch::Tensor& identity);

  // After an optimizer's step: a temperature below its floor, 0.01 as in CLIP, becomes that.
  void keep_temperature_above_floor();

  [[nodiscard]] double temperature() const { return log_temperature_.exp().item<double>(); }

 private:
  torch::Tensor log_temperature_;  // [1]
};
TORCH_MODULE(ContrastiveLoss);

// rows [n, d], each divided by its L2 norm.
[[nodiscard]] torch::Tensor unit_rows(const torch::Tensor& rows);

// The mean of values [rows, T, d] over the positions where mask [rows, T] is true. -> [rows, d]
[[nodiscard]] torch::Tensor masked_mean(const torch::Tensor& values, const torch::Tensor& mask);

}  // namespace bitmar
