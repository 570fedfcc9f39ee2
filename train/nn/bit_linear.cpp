#include "nn/bit_linear.h"

#include <cmath>

#include "nn/fused_ops.h"

namespace bitmar {

BitLinearImpl::BitLinearImpl(std::int64_t in_features, std::int64_t out_features, bool with_bias,
                             LinearPrecision precision)
    : precision_(precision) {
  const double deviation = 1.0 / std::sqrt(static_cast<double>(in_features));
  weight = register_parameter("weight", torch::randn({out_features, in_features}) * deviation);
  if (is_ternary()) {
    scale = register_parameter("scale", torch::empty({1}));
    initialise_scale();
  }
  if (with_bias) bias = register_parameter("bias", torch::zeros({out_features}));
}

torch::Tensor BitLinearImpl::forward(const torch::Tensor& x) {
  if (!is_ternary()) return torch::linear(x, weight, bias);
  const torch::Tensor y = ternary_linear(x, weight, scale, gradient_products);
  return bias.defined() ? y + bias : y;
}

torch::Tensor BitLinearImpl::effective_weight() const {
  return is_ternary() ? fake_quantize_ternary(weight, scale) : weight;
}

void BitLinearImpl::initialise_scale() {
  const torch::NoGradGuard no_gradient;
  if (is_ternary()) scale.copy_(weight.abs().mean().clamp_min(kMinimumTernaryScale).reshape({1}));
}

void BitLinearImpl::keep_scale_positive() {
  const torch::NoGradGuard no_gradient;
  if (is_ternary()) scale.clamp_min_((weight.abs().mean() * kMinimumScaleShare).clamp_min(kMinimumTernaryScale));
}

double BitLinearImpl::zero_fraction() const {
  return is_ternary() ? ternary_zero_fraction(weight, scale) : 0.0;
}

std::vector<torch::Tensor> project_together(const torch::Tensor& x, const std::vector<BitLinear>& layers) {
  std::vector<torch::Tensor> weights, scales, biases;
  for (const auto& layer : layers) {
    weights.push_back(layer->weight);
    if (layer->is_ternary()) scales.push_back(layer->scale);
    if (layer->bias.defined()) biases.push_back(layer->bias);
  }
  const auto weight = torch::cat(weights);
  const auto bias = biases.empty() ? torch::Tensor() : torch::cat(biases);
  torch::Tensor y;
  if (scales.empty()) {
    y = torch::linear(x, weight, bias);
  } else {
    y = ternary_linear(x, weight, torch::cat(scales), layers.front()->gradient_products);
    if (bias.defined()) y = y + bias;
  }
  return y.chunk(static_cast<std::int64_t>(layers.size()), -1);
}

void set_gradient_products(const torch::nn::Module& module, GradientProducts products) {
  for (const auto& child : module.modules()) {
    if (auto* linear = child->as<BitLinearImpl>()) linear->gradient_products = products;
  }
}

void keep_scales_positive(const torch::nn::Module& module) {
  for (const auto& child : module.modules()) {
    if (auto* linear = child->as<BitLinearImpl>()) linear->keep_scale_positive();
  }
}

}  // namespace bitmar
