#include "kernels/ops.h"

#include <cassert>
#include <cmath>
#include <numeric>

namespace bitmar {

void layer_norm(const Kernels& kernels, MatrixView<const float> x, std::span<const float> gain,
                std::span<const float> bias, float epsilon, MatrixView<float> out) {
  assert(gain.size() == x.columns && (bias.empty() || bias.size() == x.columns));
  assert(out.rows == x.rows && out.columns == x.columns);
  for (std::size_t t = 0; t < x.rows; ++t) {
    kernels.layer_norm_row(x.row(t).data(), gain.data(), bias.empty() ? nullptr : bias.data(), epsilon, x.columns,
                           out.row(t).data());
  }
}

void gelu(const Kernels& kernels, std::span<const float> x, std::span<float> out) {
  assert(x.size() == out.size());
  kernels.gelu(x.data(), x.size(), out.data());
}

void silu(const Kernels& kernels, std::span<const float> x, std::span<float> out) {
  assert(x.size() == out.size());
  kernels.silu(x.data(), x.size(), out.data());
}

void relu(const Kernels& kernels, std::span<const float> x, std::span<float> out) {
  assert(x.size() == out.size());
  kernels.relu(x.data(), x.size(), out.data());
}

void add(const Kernels& kernels, std::span<const float> a, std::span<const float> b, std::span<float> out) {
  assert(a.size() == b.size() && a.size() == out.size());
  kernels.add(a.data(), b.data(), a.size(), out.data());
}

void multiply(const Kernels& kernels, std::span<const float> a, std::span<const float> b, std::span<float> out) {
  assert(a.size() == b.size() && a.size() == out.size());
  kernels.multiply(a.data(), b.data(), a.size(), out.data());
}

void axpy(const Kernels& kernels, float alpha, std::span<const float> x, std::span<float> y) {
  assert(x.size() == y.size());
  kernels.axpy(alpha, x.data(), x.size(), y.data());
}

void dequantize(const Kernels& kernels, std::span<const std::int8_t> codes, float scale, std::span<float> out) {
  assert(codes.size() == out.size());
  kernels.dequantize(codes.data(), scale, codes.size(), out.data());
}

void softmax(const Kernels& kernels, std::span<float> values) {
  kernels.softmax(values.data(), values.size());
}

float dot(const Kernels& kernels, std::span<const float> a, std::span<const float> b) {
  assert(a.size() == b.size());
  return kernels.dot(a.data(), b.data(), a.size());
}

std::size_t row_max_index(const Kernels& kernels, std::span<const float> values) {
  assert(!values.empty());
  return kernels.index_of_max(values.data(), values.size());
}

void column_maxima(const Kernels& kernels, std::span<const float> values, std::span<float> maxima) {
  assert(values.size() % kMaximaColumns == 0 && maxima.size() == kMaximaColumns);
  kernels.column_maxima(values.data(), values.size() / kMaximaColumns, maxima.data());
}

void attend(const Kernels& kernels, std::span<const AttentionRange> ranges, std::span<float> scratch,
            std::span<float> out, std::span<float> probabilities) {
  assert(!ranges.empty());
  assert(probabilities.empty() ||
         (ranges.size() == 1 && ranges[0].begin == 0 && ranges[0].end == probabilities.size()));
  assert(std::accumulate(ranges.begin(), ranges.end(), std::size_t{0},
                         [](std::size_t rows, const auto& range) {
                           return rows + (range.end - 1) / kAttentionBlock - range.begin / kAttentionBlock + 1;
                         }) *
             kAttentionBlock <=
         scratch.size());
  kernels.attend(ranges.data(), ranges.size(), out.size(), scratch.data(), out.data(),
                 probabilities.empty() ? nullptr : probabilities.data());
}

std::vector<double> rope_frequencies(std::size_t head_width, double base) {
  std::vector<double> frequencies(head_width / 2);
  for (std::size_t i = 0; i < frequencies.size(); ++i) {
    frequencies[i] = std::pow(base, -2.0 * static_cast<double>(i) / static_cast<double>(head_width));
  }
  return frequencies;
}

void rope_angles(std::uint64_t position, std::span<const double> frequencies, std::span<float> cosines,
                 std::span<float> sines) {
  assert(cosines.size() == frequencies.size() && sines.size() == frequencies.size());
  for (std::size_t i = 0; i < cosines.size(); ++i) {
    const double angle = static_cast<double>(position) * frequencies[i];
    cosines[i] = static_cast<float>(std::cos(angle));
    sines[i] = static_cast<float>(std::sin(angle));
  }
}

void rope_rotate(const Kernels& kernels, std::span<float> row, std::span<const float> cosines,
                 std::span<const float> sines) {
  const std::size_t head_width = 2 * cosines.size();
  assert(cosines.size() == sines.size() && (row.empty() || (head_width > 0 && row.size() % head_width == 0)));
  if (row.empty()) return;
  kernels.rotate(row.data(), row.size() / head_width, head_width, cosines.data(), sines.data());
}

}  // namespace bitmar
