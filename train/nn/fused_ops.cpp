#include "nn/fused_ops.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <span>
#include <vector>

#include "nn/quantizer_kernels.h"
#include "nn/tensor_spans.h"

namespace bitmar {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::tensor_list;

constexpr std::size_t kValuesPerSum = 1 << 14;  // values per partial sum, whatever the thread count
constexpr std::int64_t kParallelGrain = 1 << 15;
constexpr float kActivationMaximum = 127.0f;

bool is_fused(const torch::Tensor& x) {
  return x.is_cpu() && x.scalar_type() == torch::kFloat;
}

void quantize_tokens(const torch::Tensor& x, float range, torch::Tensor& y) {
  const std::int64_t features = x.size(-1);
  if (x.numel() == 0) return;
  const auto source = values<float>(x);
  const auto target = mutable_values<float>(y);
  const auto width = static_cast<std::size_t>(features);
  at::parallel_for(
      0, x.numel() / features, std::max<std::int64_t>(1, kParallelGrain / features),
      [&](std::int64_t begin, std::int64_t end) {
        for (auto token = static_cast<std::size_t>(begin); token < static_cast<std::size_t>(end); ++token) {
          quantize_token(source.subspan(token * width, width), range, target.subspan(token * width, width));
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

torch::Tensor rotate_by_torch(const torch::Tensor& x, const torch::Tensor& cosine, const torch::Tensor& sine) {
  const auto halves = x.chunk(2, -1);
  return torch::cat({halves[0] * cosine - halves[1] * sine, halves[0] * sine + halves[1] * cosine}, -1);
}

// work(source row, target row, position) for the rows of source [sequences, T, columns], whose last stride is 1, and
// of target, contiguous.
template <typename Work>
void for_positions(const torch::Tensor& source, torch::Tensor& target, const Work& work) {
  if (source.numel() == 0) return;
  const std::int64_t length = source.size(1), columns = source.size(2);
  const float* from = source.const_data_ptr<float>();
  float* to = target.mutable_data_ptr<float>();
  at::parallel_for(0, source.size(0) * length, std::max<std::int64_t>(1, kParallelGrain / columns),
                   [&](std::int64_t begin, std::int64_t end) {
                     for (std::int64_t row = begin; row < end; ++row) {
                       const std::int64_t sequence = row / length, position = row % length;
                       work(from + sequence * source.stride(0) + position * source.stride(1), to + row * columns,
                            position);
                     }
                   });
}

// cosine and sine: both undefined, or both FP32 and contiguous.
struct HeadQuantizer : torch::autograd::Function<HeadQuantizer> {
  static torch::Tensor forward(AutogradContext* context, const torch::Tensor& x, std::int64_t heads,
                               const std::optional<torch::Tensor>& cosine, const std::optional<torch::Tensor>& sine) {
    context->saved_data["cosine"] = cosine;
    context->saved_data["sine"] = sine;
    const torch::Tensor source = x.stride(2) == 1 ? x : x.contiguous();
    torch::Tensor y = torch::empty(source.sizes(), source.options());
    const std::int64_t width = source.size(2) / heads;
    for_positions(source, y, [&](const float* from, float* to, std::int64_t position) {
      for (std::int64_t head = 0; head < heads; ++head, from += width, to += width) {
        const std::span<const float> head_in(from, static_cast<std::size_t>(width));
        const std::span<float> head_out(to, static_cast<std::size_t>(width));
        if (cosine) rotate_head(head_in, angles(*cosine, position), angles(*sine, position), 1.0f, head_out);
        quantize_token(cosine ? std::span<const float>(head_out) : head_in, static_cast<float>(kHeadRange), head_out);
      }
    });
    return y.view({source.size(0), source.size(1), heads, width}).transpose(1, 2);
  }

  static tensor_list backward(AutogradContext* context, tensor_list gradients) {
    const auto cosine = context->saved_data["cosine"].toOptional<torch::Tensor>();
    const auto sine = context->saved_data["sine"].toOptional<torch::Tensor>();
    const torch::Tensor dy = gradients[0].transpose(1, 2).contiguous();  // [sequences, T, heads, width]
    const std::int64_t heads = dy.size(2), width = dy.size(3);
    const torch::Tensor rows = dy.view({dy.size(0), dy.size(1), heads * width});
    if (!cosine) return {rows, torch::Tensor(), torch::Tensor(), torch::Tensor()};
    torch::Tensor dx = torch::empty_like(rows);
    for_positions(rows, dx, [&](const float* from, float* to, std::int64_t position) {
      for (std::int64_t head = 0; head < heads; ++head, from += width, to += width) {
        rotate_head({from, static_cast<std::size_t>(width)}, angles(*cosine, position), angles(*sine, position), -1.0f,
                    {to, static_cast<std::size_t>(width)});
      }
    });
    return {dx, torch::Tensor(), torch::Tensor(), torch::Tensor()};
  }

 private:
  // The row of a table [T, width / 2] that belongs to a position.
  static std::span<const float> angles(const torch::Tensor& table, std::int64_t position) {
    const auto half = static_cast<std::size_t>(table.size(1));
    return values<float>(table).subspan(static_cast<std::size_t>(position) * half, half);
  }
};

float scale_value(const torch::Tensor& scale) {
  return std::max(scale.item<float>(), kMinimumTernaryScale);
}

// scale_gradient_sum in blocks whose sums are added in order.
double scale_gradient(std::span<const float> gradient, std::span<const float> weight, float scale) {
  const std::size_t blocks = (weight.size() + kValuesPerSum - 1) / kValuesPerSum;
  std::vector<double> partial(blocks);
  at::parallel_for(0, static_cast<std::int64_t>(blocks), 1, [&](std::int64_t first, std::int64_t last) {
    for (auto block = static_cast<std::size_t>(first); block < static_cast<std::size_t>(last); ++block) {
      const std::size_t begin = block * kValuesPerSum;
      const std::size_t size = std::min(kValuesPerSum, weight.size() - begin);
      partial[block] = scale_gradient_sum(gradient.subspan(begin, size), weight.subspan(begin, size), scale);
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
    const auto from = values<float>(source);
    const auto to = mutable_values<float>(y);
    at::parallel_for(0, source.numel(), kParallelGrain, [&](std::int64_t begin, std::int64_t end) {
      const auto first = static_cast<std::size_t>(begin), count = static_cast<std::size_t>(end - begin);
      quantize_ternary(from.subspan(first, count), g, to.subspan(first, count));
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
    const auto from = values<float>(source);
    const auto to = mutable_values<float>(y);
    for_rows(source, [&](std::size_t first, std::size_t rows, std::size_t columns) {
      for (std::size_t row = first; row < first + rows; ++row) {
        quantize_int8_row(from.subspan(row * columns, columns), to.subspan(row * columns, columns));
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

torch::Tensor quantized_heads(const torch::Tensor& x, std::int64_t heads, const torch::Tensor& cosine,
                              const torch::Tensor& sine) {
  TORCH_CHECK(x.dim() == 3 && x.size(2) % heads == 0, "quantized_heads: expected [sequences, T, ", heads,
              " heads], got ", x.sizes());
  const std::int64_t width = x.size(2) / heads;
  const auto given = [&](const torch::Tensor& table) -> std::optional<torch::Tensor> {
    if (!table.defined()) return std::nullopt;
    TORCH_CHECK(table.dim() == 2 && table.size(0) == x.size(1) && table.size(1) * 2 == width,
                "quantized_heads: expected rotary tables [", x.size(1), ", ", width / 2, "], got ", table.sizes());
    return table.contiguous();
  };
  const auto c = given(cosine), s = given(sine);
  if (is_fused(x) && (!c || (is_fused(*c) && is_fused(*s)))) return HeadQuantizer::apply(x, heads, c, s);
  const torch::Tensor split = x.view({x.size(0), x.size(1), heads, width}).transpose(1, 2);
  return fake_quantize_heads(c ? rotate_by_torch(split, *c, *s) : split);
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
  const auto count = static_cast<std::size_t>(w.numel() / groups);
  torch::Tensor out = torch::empty_like(scales);
  for (std::int64_t group = 0; group < groups; ++group) {
    const std::size_t first = static_cast<std::size_t>(group) * count;
    const double sum = scale_gradient(values<float>(g).subspan(first, count), values<float>(w).subspan(first, count),
                                      scale_value(scales[group]));
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
