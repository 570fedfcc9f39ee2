#include "optim/adamw_kernels.h"

#include <array>
#include <cmath>

#include "optim/block_quantizer.h"

namespace bitmar {

void adamw_update(const AdamWFactors& factors, std::span<const float> gradient, std::span<float> parameter,
                  std::span<float> first, std::span<float> second) {
  const AdamWFactors f = factors;
  const float* const g = gradient.data();
  float* const w = parameter.data();
  float* const m = first.data();
  float* const v = second.data();
  for (std::size_t i = 0; i < gradient.size(); ++i) {
    m[i] = f.beta1 * m[i] + (1.0f - f.beta1) * g[i];
    v[i] = f.beta2 * v[i] + (1.0f - f.beta2) * g[i] * g[i];
    w[i] = f.keep * w[i] - f.rate * m[i] / (std::sqrt(v[i]) / f.root_scale + f.epsilon);
  }
}

void adamw_update_block(const AdamWFactors& factors, std::span<const float> gradient, std::span<float> parameter,
                        std::span<std::uint8_t> first, float& first_scale, std::span<std::uint8_t> second,
                        float& second_scale) {
  std::array<float, kQuantizationBlock> m_values;
  std::array<float, kQuantizationBlock> r_values;
  const std::span m = std::span(m_values).first(gradient.size());
  const std::span r = std::span(r_values).first(gradient.size());  // sqrt(v), then v, then sqrt(v)
  dequantize_signed(first, first_scale, m);
  dequantize_unsigned(second, second_scale, r);
  for (float& value : r) value *= value;
  adamw_update(factors, gradient, parameter, m, r);
  for (float& value : r) value = std::sqrt(value);
  first_scale = quantize_signed(m, first);
  second_scale = quantize_unsigned(r, second);
}

}  // namespace bitmar
