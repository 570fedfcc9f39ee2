// BitLinear (docs/model.md): a projection with ternary weights and 8-bit activations, trained by straight-through
// estimation on FP32 latent weights.
//
//   BitLinear query(128, 128);                                  // no bias, ternary
//   torch::Tensor y = query(x);                                 // [..., 128] -> [..., 128]
//   const auto parts = project_together(x, {query, key, value});  // several projections of one input
//
// Parameters: `weight` [out, in], `scale` [1] (ternary only), `bias` [out] (where asked for). A module registered as
// `query` therefore owns the tensor table's `….query.weight`, whose scale is `….query.scale`.
// The scale learns as any parameter does, but it is one number of the order of mean|w|: give it a smaller learning
// rate than the weights and no weight decay, and call keep_scales_positive after each step of the optimizer.
#pragma once

#include <cstdint>
#include <vector>

#include "nn/ternary_linear.h"
#include "torch_headers.h"

namespace bitmar {

// kFloat32: an ordinary linear layer, for teachers and for the ablation of quantization.
enum class LinearPrecision { kTernary, kFloat32 };

class BitLinearImpl : public torch::nn::Module {
 public:
  // Weights start normal with deviation 1/sqrt(in), the bias at zero, the scale at mean|w|.
  BitLinearImpl(std::int64_t in_features, std::int64_t out_features, bool with_bias = false,
                LinearPrecision precision = LinearPrecision::kTernary);

  // Quantizes x per token, then projects. x: [..., in] -> [..., out]
  torch::Tensor forward(const torch::Tensor& x);
  // What `forward` multiplies with: the quantized weight, differentiable; the latent weight itself in kFloat32.
  [[nodiscard]] torch::Tensor effective_weight() const;

  // Sets the scale to mean|w|; call after replacing the latent weights.
  void initialise_scale();

  [[nodiscard]] LinearPrecision precision() const { return precision_; }
  [[nodiscard]] bool is_ternary() const { return precision_ == LinearPrecision::kTernary; }
  // Raises the scale to kMinimumScaleShare of mean|w| where it is below.
  void keep_scale_positive();
  // The share of zero codes; 0 in kFloat32.
  [[nodiscard]] double zero_fraction() const;

  torch::Tensor weight;                                             // [out, in], latent
  torch::Tensor scale;                                              // [1]; undefined in kFloat32
  torch::Tensor bias;                                               // [out]; undefined without bias
  GradientProducts gradient_products = GradientProducts::kFloat32;  // of the ternary kind, on a CPU

 private:
  LinearPrecision precision_;
};
TORCH_MODULE(BitLinear);

// forward() of several layers on one input, which is quantized once: their outputs [..., out], in order. They have one
// shape and precision, and all or none a bias.
[[nodiscard]] std::vector<torch::Tensor> project_together(const torch::Tensor& x, const std::vector<BitLinear>& layers);

// Sets gradient_products of every BitLinear in `module`.
void set_gradient_products(const torch::nn::Module& module, GradientProducts products);

// A scale that an optimizer's step carries to zero switches its projection off for good: no gradient brings it back.
// Below this share of mean|w| nearly every code is -1 or 1, and a smaller scale only shrinks the output.
inline constexpr double kMinimumScaleShare = 0.25;

// keep_scale_positive of every BitLinear in `module`.
void keep_scales_positive(const torch::nn::Module& module);

}  // namespace bitmar
