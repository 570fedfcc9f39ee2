#include "nn/ternary_linear.h"

#include <vector>

#include "nn/fused_ops.h"
#include "nn/matrix_products.h"
#include "nn/tensor_spans.h"

namespace bitmar {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::tensor_list;

std::vector<float> scale_values(const torch::Tensor& scales) {
  const torch::Tensor bounded = scales.detach().clamp_min(kMinimumTernaryScale).contiguous();
  const auto span = values<float>(bounded);
  return {span.begin(), span.end()};
}

bool is_integer_path(const torch::Tensor& x, const torch::Tensor& weight) {
  return x.is_cpu() && x.scalar_type() == torch::kFloat && weight.scalar_type() == torch::kFloat;
}

struct TernaryLinear : torch::autograd::Function<TernaryLinear> {
  static torch::Tensor forward(AutogradContext* context, const torch::Tensor& x, const torch::Tensor& weight,
                               const torch::Tensor& scales, bool bfloat16) {
    const auto [codes, inverse] = quantize_tokens(x.reshape({-1, x.size(-1)}));
    const torch::Tensor matrix = quantize_matrix(weight, scales);
    context->saved_data["bfloat16"] = bfloat16;
    context->save_for_backward({codes, inverse, matrix, weight, scales});
    auto shape = x.sizes().vec();
    shape.back() = weight.size(0);
    torch::Tensor y = torch::empty(shape, x.options());
    if (y.numel() == 0) return y;
    const torch::Tensor products = integer_product(integer_operand(codes), integer_operand(matrix.t()));
    const auto factors = scale_values(scales);
    const auto out = mutable_values<float>(y);
    for_rows(products, [&](std::size_t row, std::size_t rows, std::size_t columns) {
      scale_products(values<std::int32_t>(products).subspan(row * columns, rows * columns),
                     values<float>(inverse).subspan(row, rows), factors, out.subspan(row * columns, rows * columns));
    });
    return y;
  }

  static tensor_list backward(AutogradContext* context, tensor_list gradients) {
    const auto saved = context->get_saved_variables();
    const torch::Tensor &codes = saved[0], &inverse = saved[1], &matrix = saved[2], &weight = saved[3];
    const torch::Tensor& scales = saved[4];
    const bool bfloat16 = context->saved_data["bfloat16"].toBool();
    const torch::Tensor dy = gradients[0].reshape({-1, weight.size(0)}).contiguous();
    const auto factors = scale_values(scales);
    // One matrix serves both products: dy g / s. Its rows are divided by 1/s again in dx, its columns by g in dw.
    const auto type = bfloat16 ? torch::kBFloat16 : torch::kFloat;
    torch::Tensor scaled;
    if (bfloat16) {
      scaled = torch::empty({padded_rows(dy.size(0)), dy.size(1)}, dy.options().dtype(type));
      scaled.narrow(0, dy.size(0), scaled.size(0) - dy.size(0)).zero_();
      const auto out = mutable_bits(scaled);
      for_rows(dy, [&](std::size_t row, std::size_t rows, std::size_t columns) {
        scale_gradient_rows(values<float>(dy).subspan(row * columns, rows * columns),
                            values<float>(inverse).subspan(row, rows), factors,
                            out.subspan(row * columns, rows * columns));
      });
    } else {
      scaled = dy * inverse.unsqueeze(1);
      for (std::size_t g = 0; g < factors.size(); ++g) {
        const std::int64_t width = weight.size(0) / scales.size(0);
        scaled.narrow(1, static_cast<std::int64_t>(g) * width, width).mul_(factors[g]);
      }
    }
    const auto operand = [&](const torch::Tensor& x) { return bfloat16 ? bfloat16_operand(x) : x.to(torch::kFloat); };
    const auto product = [&](const torch::Tensor& a, const torch::Tensor& b) {
      return bfloat16 ? bfloat16_product(a, b) : torch::mm(a, b);
    };
    const torch::Tensor left = operand(scaled);
    torch::Tensor dx;
    if (context->needs_input_grad(0)) {
      auto shape = gradients[0].sizes().vec();
      shape.back() = weight.size(1);
      dx = widen(product(left, operand(matrix)).narrow(0, 0, dy.size(0)), inverse.reciprocal()).view(shape);
    }
    torch::Tensor dw, dscales;
    if (context->needs_input_grad(1) || context->needs_input_grad(2)) {
      const torch::Tensor rows = scales.detach()
                                     .clamp_min(kMinimumTernaryScale)
                                     .reciprocal()
                                     .repeat_interleave(weight.size(0) / scales.size(0));
      dw = widen(product(left.t(), operand(bfloat16 ? padded_bfloat16(codes) : codes)), rows);
      if (context->needs_input_grad(2)) dscales = scale_gradients(dw, weight, scales);
    }
    return {dx, dw, dscales, torch::Tensor()};
  }

 private:
  // FP32 rows times one factor each.
  static torch::Tensor widen(const torch::Tensor& matrix, const torch::Tensor& factors) {
    if (matrix.scalar_type() == torch::kFloat) return matrix * factors.unsqueeze(1);
    torch::Tensor out = torch::empty(matrix.sizes(), matrix.options().dtype(torch::kFloat));
    const auto target = mutable_values<float>(out);
    for_rows(matrix, [&](std::size_t row, std::size_t rows, std::size_t columns) {
      widen_rows(bits(matrix).subspan(row * columns, rows * columns), values<float>(factors).subspan(row, rows),
                 target.subspan(row * columns, rows * columns));
    });
    return out;
  }
};

}  // namespace

QuantizedTokens quantize_tokens(const torch::Tensor& x) {
  const torch::Tensor source = x.contiguous();
  QuantizedTokens quantized{torch::empty(source.sizes(), source.options().dtype(torch::kChar)),
                            torch::empty({source.size(0)}, source.options())};
  const auto codes = mutable_values<std::int8_t>(quantized.codes);
  const auto inverse = mutable_values<float>(quantized.inverse);
  for_rows(source, [&](std::size_t row, std::size_t rows, std::size_t columns) {
    quantize_rows(values<float>(source).subspan(row * columns, rows * columns), columns,
                  codes.subspan(row * columns, rows * columns), inverse.subspan(row, rows));
  });
  return quantized;
}

torch::Tensor quantize_matrix(const torch::Tensor& weight, const torch::Tensor& scales) {
  const torch::Tensor source = weight.detach().contiguous();
  torch::Tensor codes = torch::empty(source.sizes(), source.options().dtype(torch::kChar));
  const auto factors = scale_values(scales);
  const auto out = mutable_values<std::int8_t>(codes);
  const std::size_t group = static_cast<std::size_t>(source.size(0)) / factors.size();
  for_rows(source, [&](std::size_t first, std::size_t rows, std::size_t columns) {
    for (std::size_t row = first; row < first + rows; ++row) {
      ternary_codes(values<float>(source).subspan(row * columns, columns), factors[row / group],
                    out.subspan(row * columns, columns));
    }
  });
  return codes;
}

torch::Tensor ternary_linear(const torch::Tensor& x, const torch::Tensor& weight, const torch::Tensor& scales,
                             GradientProducts products) {
  if (is_integer_path(x, weight)) {
    return TernaryLinear::apply(x, weight, scales, products == GradientProducts::kBFloat16);
  }
  const auto matrices = weight.chunk(scales.size(0));
  std::vector<torch::Tensor> quantized;
  for (std::int64_t g = 0; g < scales.size(0); ++g) {
    quantized.push_back(fake_quantize_ternary(matrices[static_cast<std::size_t>(g)], scales.narrow(0, g, 1)));
  }
  return torch::linear(fake_quantize_activations(x), quantized.size() == 1 ? quantized[0] : torch::cat(quantized));
}

}  // namespace bitmar
