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
  return project(is_ternary() ? fake_quantize_activations(x) : x);
}

torch::Tensor BitLinearImpl::project(const torch::Tensor& x) {
  return torch::linear(x, effective_weight(), bias);
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

void keep_scales_positive(const torch::nn::Module& module) {
  for (const auto& child : module.modules()) {
    if (auto* linear = child->as<BitLinearImpl>()) linear->keep_scale_positive();
  }
}

}  // namespace bitmar
