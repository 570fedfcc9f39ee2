#include "nn/fused_ops.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "base/float16.h"
#include "nn/rounding.h"

namespace bitmar {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::tensor_list;

constexpr std::int64_t kBlock = 1 << 14;  // values per partial sum, whatever the thread count
constexpr std::int64_t kParallelGrain = 1 << 15;
constexpr float kActivationMaximum = 127.0f;

bool is_fused(const torch::Tensor& x) {
  return x.is_cpu() && x.scalar_type() == torch::kFloat;
}

void quantize_token(const float* x, float* y, std::int64_t count, float range) {
  const float scale = range / maximum_magnitude(x, static_cast<std::size_t>(count));
  if (!(scale <= std::numeric_limits<float>::max())) {  // nothing but zeros
    std::fill(y, y + count, 0.0f);
    return;
  }
  for (std::int64_t i = 0; i < count; ++i) y[i] = round_and_clip(x[i] * scale, kActivationMaximum) / scale;
}

void quantize_tokens(const torch::Tensor& x, float range, torch::Tensor& y) {
  const std::int64_t features = x.size(-1);
  if (x.numel() == 0) return;
  const float* source = x.const_data_ptr<float>();
  float* target = y.mutable_data_ptr<float>();
  at::parallel_for(0, x.numel() / features, std::max<std::int64_t>(1, kParallelGrain / features),
                   [&](std::int64_t begin, std::int64_t end) {
                     for (std::int64_t token = begin; token < end; ++token) {
                       quantize_token(source + token * features, target + token * features, features, range);
                     }
                   });
}

torch::Tensor quantize_tokens_by_torch(const torch::Tensor& x, float range) {
  const torch::Tensor scale = range / x.abs().amax(-1, true).to(torch::kFloat);
  const torch::Tensor codes = (x * scale).round().clamp(-kActivationMaximum, kActivationMaximum);
  return torch::where(scale.isinf(), torch::zeros_like(codes), codes / scale).to(x.scalar_type());
}

struct ActivationQuantizer : torch::autograd::Function<ActivationQuantizer> {
  static torch::Tensor forward(AutogradContext*, const torch::Tensor& x, double range) {
    const auto limit = static_cast<float>(range);
    if (!is_fused(x)) return quantize_tokens_by_torch(x, limit);
    const torch::Tensor source = x.contiguous();
    torch::Tensor y = torch::empty_like(source);
    quantize_tokens(source, limit, y);
    return y;
  }
  static tensor_list backward(AutogradContext*, tensor_list gradients) { return {gradients[0], torch::Tensor()}; }
};

float scale_value(const torch::Tensor& scale) {
  return std::max(scale.item<float>(), kMinimumTernaryScale);
}

// sum(gradient * d(quantized)/d(scale)), in blocks whose partial sums are added in order.
double scale_gradient(const float* gradient, const float* weight, float scale, std::int64_t count) {
  const std::int64_t blocks = (count + kBlock - 1) / kBlock;
  std::vector<double> partial(static_cast<std::size_t>(blocks));
  at::parallel_for(0, blocks, 1, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t block = first; block < last; ++block) {
      std::array<float, kLanes> lanes{};
      const std::int64_t end = std::min(count, (block + 1) * kBlock);
      const auto slope = [&](std::int64_t i) {
        const float ratio = weight[i] / scale;
        const float inside = std::rint(ratio) - ratio;
        const float outside = ratio > 0.0f ? 1.0f : -1.0f;
        return gradient[i] * (std::fabs(ratio) <= 1.0f ? inside : outside);
      };
      std::int64_t i = block * kBlock;
      constexpr auto kStep = static_cast<std::int64_t>(kLanes);
      for (; i + kStep <= end; i += kStep) {
        for (std::size_t lane = 0; lane < kLanes; ++lane) lanes[lane] += slope(i + static_cast<std::int64_t>(lane));
      }
      double sum = 0.0;
      for (const float lane : lanes) sum += static_cast<double>(lane);
      for (; i < end; ++i) sum += static_cast<double>(slope(i));
      partial[static_cast<std::size_t>(block)] = sum;
    }
  });
  double total = 0.0;
  for (const double sum : partial) total += sum;
  return total;
}

struct TernaryQuantizer : torch::autograd::Function<TernaryQuantizer> {
  static torch::Tensor forward(AutogradContext* context, const torch::Tensor& weight, const torch::Tensor& scale) {
    context->save_for_backward({weight, scale});
    if (!is_fused(weight)) {
      const torch::Tensor g = scale.clamp_min(kMinimumTernaryScale);
      return (weight / g).round().clamp(-1, 1) * g;
    }
    const torch::Tensor source = weight.contiguous();
    torch::Tensor y = torch::empty_like(source);
    const float g = scale_value(scale);
    const float* from = source.const_data_ptr<float>();
    float* to = y.mutable_data_ptr<float>();
    at::parallel_for(0, source.numel(), kParallelGrain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) to[i] = round_and_clip(from[i] / g, 1.0f) * g;
    });
    return y;
  }

  static tensor_list backward(AutogradContext* context, tensor_list gradients) {
    const auto saved = context->get_saved_variables();
    const torch::Tensor& weight = saved[0];
    const torch::Tensor& scale = saved[1];
    const torch::Tensor& gradient = gradients[0];
    return {gradient, context->needs_input_grad(1) ? scale_gradients(gradient, weight, scale) : torch::Tensor()};
  }
};

void quantize_row(const float* w, float* y, std::int64_t count) {
  const float scale = half_to_float(float_to_half(maximum_magnitude(w, static_cast<std::size_t>(count)) / 127.0f));
  if (scale == 0.0f) {
    std::fill(y, y + count, 0.0f);
    return;
  }
  for (std::int64_t i = 0; i < count; ++i) y[i] = round_and_clip(w[i] / scale, 127.0f) * scale;
}

struct Int8RowQuantizer : torch::autograd::Function<Int8RowQuantizer> {
  static torch::Tensor forward(AutogradContext*, const torch::Tensor& weight) {
    TORCH_CHECK(weight.dim() == 2, "fake_quantize_int8_rows: expected [rows, columns], got ", weight.sizes());
    if (!is_fused(weight)) {
      const torch::Tensor scale = (weight.abs().amax(1, true) / 127.0).to(torch::kHalf).to(weight.scalar_type());
      const torch::Tensor y = (weight / scale).round().clamp(-127, 127) * scale;
      return torch::where(scale == 0, torch::zeros_like(y), y);
    }
    const torch::Tensor source = weight.contiguous();
    torch::Tensor y = torch::empty_like(source);
    const std::int64_t columns = source.size(1);
    if (source.numel() == 0) return y;
    const float* from = source.const_data_ptr<float>();
    float* to = y.mutable_data_ptr<float>();
    at::parallel_for(0, source.size(0), std::max<std::int64_t>(1, kParallelGrain / columns),
                     [&](std::int64_t begin, std::int64_t end) {
                       for (std::int64_t row = begin; row < end; ++row) {
                         quantize_row(from + row * columns, to + row * columns, columns);
                       }
                     });
    return y;
  }
  static tensor_list backward(AutogradContext*, tensor_list gradients) { return {gradients[0]}; }
};

}  // namespace

torch::Tensor fake_quantize_activations(const torch::Tensor& x) {
  return ActivationQuantizer::apply(x, double{kActivationMaximum});
}

torch::Tensor fake_quantize_heads(const torch::Tensor& x) {
  return ActivationQuantizer::apply(x, kHeadRange);
}

torch::Tensor fake_quantize_ternary(const torch::Tensor& weight, const torch::Tensor& scale) {
  return TernaryQuantizer::apply(weight, scale);
}

torch::Tensor fake_quantize_int8_rows(const torch::Tensor& weight) {
  return Int8RowQuantizer::apply(weight);
}

torch::Tensor scale_gradients(const torch::Tensor& gradient, const torch::Tensor& weight, const torch::Tensor& scales) {
  const std::int64_t groups = scales.size(0);
  const double normaliser = 1.0 / std::sqrt(static_cast<double>(std::max<std::int64_t>(1, weight.numel() / groups)));
  if (!is_fused(weight) || !is_fused(gradient)) {
    const torch::Tensor g = scales.clamp_min(kMinimumTernaryScale).view({groups, 1});
    const torch::Tensor ratio = weight.reshape({groups, -1}) / g;
    const torch::Tensor slope = torch::where(ratio.abs() <= 1, ratio.round() - ratio, ratio.sign());
    return (gradient.reshape({groups, -1}) * slope).sum(1).mul(normaliser).to(scales.scalar_type());
  }
  const torch::Tensor g = gradient.contiguous();
  const torch::Tensor w = weight.contiguous();
  const std::int64_t count = w.numel() / groups;
  torch::Tensor out = torch::empty_like(scales);
  for (std::int64_t group = 0; group < groups; ++group) {
    const double sum = scale_gradient(g.const_data_ptr<float>() + group * count,
                                      w.const_data_ptr<float>() + group * count, scale_value(scales[group]), count);
    out[group] = sum * normaliser;
  }
  return out;
}

double ternary_zero_fraction(const torch::Tensor& weight, const torch::Tensor& scale) {
  const torch::NoGradGuard no_gradient;
  if (weight.numel() == 0) return 0.0;
  const torch::Tensor codes = (weight / scale.clamp_min(kMinimumTernaryScale)).round();
  return (codes == 0).to(torch::kDouble).mean().item<double>();
}

}  // namespace bitmar
