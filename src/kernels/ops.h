// The FP32 pieces of the model beside its matrix products, through the kernel table. Each has one fixed order of
// operations, so that a result does not depend on threads or batch. `out` may be the input itself unless said
// otherwise; sizes must agree (asserted).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/matrix_view.h"
#include "kernels/kernels.h"

namespace bitmar {

// Each row of x [tokens, d]: (x - mean) / sqrt(variance + epsilon) * gain + bias; mean first, then the variance of the
// differences. gain: [d]; bias: [d] or empty (none).
void layer_norm(const Kernels& kernels, MatrixView<const float> x, std::span<const float> gain,
                std::span<const float> bias, float epsilon, MatrixView<float> out);

// x * Phi(x), the exact (erf) form.
void gelu(const Kernels& kernels, std::span<const float> x, std::span<float> out);
// x * sigmoid(x).
void silu(const Kernels& kernels, std::span<const float> x, std::span<float> out);
// max(x, 0).
void relu(const Kernels& kernels, std::span<const float> x, std::span<float> out);

void add(const Kernels& kernels, std::span<const float> a, std::span<const float> b, std::span<float> out);
void multiply(const Kernels& kernels, std::span<const float> a, std::span<const float> b, std::span<float> out);
// y += alpha * x.
void axpy(const Kernels& kernels, float alpha, std::span<const float> x, std::span<float> y);
// out = scale * codes: a row of an int8 embedding.
void dequantize(const Kernels& kernels, std::span<const std::int8_t> codes, float scale, std::span<float> out);

// In place: exp(x - max) / sum. Entries of minus infinity become 0; at least one entry must be finite.
void softmax(const Kernels& kernels, std::span<float> values);

[[nodiscard]] float dot(const Kernels& kernels, std::span<const float> a, std::span<const float> b);

// The index of the largest value; the lowest one where several are equal. `values` is not empty and has no NaN.
[[nodiscard]] std::size_t row_max_index(const Kernels& kernels, std::span<const float> values);

// The largest of each column of values [rows, kMaximaColumns]; minus infinity where there is no row.
inline constexpr std::size_t kMaximaColumns = 32;
void column_maxima(const Kernels& kernels, std::span<const float> values, std::span<float> maxima);

// One query over cached rows of one head: `attend` of kernel_table.h. Ranges are not empty. scratch: 64-byte aligned, a
// float for each row of their blocks. out: [width of the head]. probabilities: [rows] of a single range that begins at
// 0, or empty.
void attend(const Kernels& kernels, std::span<const AttentionRange> ranges, std::span<float> scratch,
            std::span<float> out, std::span<float> probabilities = {});

// base^(-2i / head_width) for each pair i (Su et al. 2021): [head_width / 2].
[[nodiscard]] std::vector<double> rope_frequencies(std::size_t head_width, double base);
// The rotation of one position: angle i = position * frequencies[i], in double. cosines, sines: [head_width / 2].
void rope_angles(std::uint64_t position, std::span<const double> frequencies, std::span<float> cosines,
                 std::span<float> sines);

// Rotates each head of a row [heads * head_width] in place, pairs (i, i + head_width / 2):
// (a, b) -> (a cos - b sin, a sin + b cos). head_width = 2 * cosines.size().
void rope_rotate(const Kernels& kernels, std::span<float> row, std::span<const float> cosines,
                 std::span<const float> sines);

}  // namespace bitmar
