// The passes over memory around the integer products of training: codes in, scaled sums out, gradients to BF16 and
// back. Plain loops that the compiler vectorises, over ranges of rows, so that callers share the rows out between
// threads; no result depends on how they do.
//
//   quantize_rows(x, columns, codes, inverse);            // 8-bit codes and 1/s of every token
//   scale_products(products, inverse, scales, y);         // y = (q x_q) g / s
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace bitmar {

// The upper half of a float, rounded to nearest even.
using BFloat16Bits = std::uint16_t;

// x [rows, columns] -> codes round(x s) in [-127, 127] with s = 127 / max|x| of the row, and inverse [rows] = 1 / s; a
// row of zeros has the codes 0 and the inverse 1.
void quantize_rows(std::span<const float> x, std::size_t columns, std::span<std::int8_t> codes,
                   std::span<float> inverse);

// codes[i] = clip(round(weight[i] / scale), -1, 1).
void ternary_codes(std::span<const float> weight, float scale, std::span<std::int8_t> codes);

// products [rows, columns] -> y = products * (inverse[row] * scales[g]), where column c belongs to group
// c / (columns / scales.size()).
void scale_products(std::span<const std::int32_t> products, std::span<const float> inverse,
                    std::span<const float> scales, std::span<float> y);

// The gradient of y [rows, columns] as both products of the backward pass take it: out = gradient * inverse[row] *
// scales[g], in BF16.
void scale_gradient_rows(std::span<const float> gradient, std::span<const float> inverse, std::span<const float> scales,
                         std::span<BFloat16Bits> out);

// out = values * factors[row], values [factors.size(), columns] in BF16.
void widen_rows(std::span<const BFloat16Bits> values, std::span<const float> factors, std::span<float> out);

// out += values, in BF16.
void add_rows(std::span<const BFloat16Bits> values, std::span<float> out);

struct SoftmaxRow {
  float log_partition = 0.0f;  // log sum exp(z)
  float sum = 0.0f;            // of the weights
};

// z = products * scale + offsets (offsets may be empty) -> weights exp(z - max z) in BF16, which `sum` turns
// into probabilities.
SoftmaxRow softmax_row(std::span<const std::int32_t> products, float scale, std::span<const float> offsets,
                       std::span<BFloat16Bits> weights);

// The same where `row` holds the products, as 16-bit integers, and becomes the weights.
SoftmaxRow softmax_row_in_place(std::span<BFloat16Bits> row, float scale, std::span<const float> offsets);

}  // namespace bitmar
