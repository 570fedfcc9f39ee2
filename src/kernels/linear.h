// Matrix products y = W x of the model: ternary and int8 weights on quantized activations (exact int32 sums), FP32
// weights on FP32 activations. One token is a matrix-vector product, many a matrix product; every output element has
// the same bits for any batch and any thread count.
//
//   QuantizedActivations quantized;                                  // reused: no allocation once large enough
//   quantize_activations(kernels, x, quantized);                     // x: [tokens, columns]
//   projection.apply(quantized, out, &pool);                         // out: [tokens, rows]
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/matrix_view.h"
#include "base/result.h"
#include "base/thread_pool.h"
#include "kernels/aligned_buffer.h"
#include "kernels/kernels.h"

namespace bitmar {

// Per token: codes clip(round_half_even(x * 127 / max|x|), -127, 127) and the inverse scale max|x| / 127
// (docs/model.md, "BitLinear").
class QuantizedActivations {
 public:
  QuantizedActivations() = default;
  // Takes the memory for `tokens` rows of `columns` now, so that no later quantization up to that size allocates.
  QuantizedActivations(std::size_t tokens, std::size_t columns) { resize(tokens, columns); }

  [[nodiscard]] std::size_t tokens() const { return tokens_; }
  [[nodiscard]] std::size_t columns() const { return columns_; }
  [[nodiscard]] std::span<const std::int8_t> codes(std::size_t token) const {
    return codes_.span().subspan(token * stride_, columns_);
  }
  [[nodiscard]] float inverse_scale(std::size_t token) const { return inverse_scales_.span()[token]; }
  [[nodiscard]] ActivationRows rows() const;

 private:
  friend void quantize_activations(const Kernels&, MatrixView<const float>, QuantizedActivations&);
  friend void quantize_heads(const Kernels&, MatrixView<const float>, QuantizedActivations&);
  void resize(std::size_t tokens, std::size_t columns);

  AlignedBuffer<std::int8_t> codes_;         // [tokens, stride]
  AlignedBuffer<float> inverse_scales_;      // [tokens]
  AlignedBuffer<std::int16_t> column_sums_;  // [tokens, sum_blocks(stride), 2]
  std::size_t tokens_ = 0;
  std::size_t columns_ = 0;
  std::size_t stride_ = 0;
  bool has_column_sums_ = true;  // not after quantize_heads
};

// Quantizes x [tokens, columns], finite values. A row of zeros (or too small for 127 / max|x| to be finite) gets zero
// codes and inverse scale 0. The codes are the same on every instruction set.
void quantize_activations(const Kernels& kernels, MatrixView<const float> x, QuantizedActivations& out);
// Rows for attention, scaled to kHeadRange instead of 127: no input of a matrix product.
void quantize_heads(const Kernels& kernels, MatrixView<const float> x, QuantizedActivations& out);

// Weights in {-1, 0, 1} times one scale. out[t, r] = float(sum) * (scale * inverse_scale[t]) + bias[r].
class TernaryLinear {
 public:
  TernaryLinear() = default;
  // codes: [rows, columns] row-major. bias: [rows] or empty. `kernels` outlives this.
  TernaryLinear(const Kernels& kernels, std::span<const std::int8_t> codes, std::size_t rows, std::size_t columns,
                float scale, std::span<const float> bias = {});
  // The same from the canonical layout (ternary_format.h), a block of rows at a time: a matrix never lies in memory
  // with a byte for each code. `name` stands in the errors of ternary_unpack.
  static Result<TernaryLinear> from_canonical(const Kernels& kernels, std::span<const std::uint8_t> canonical,
                                              std::size_t rows, std::size_t columns, float scale,
                                              std::span<const float> bias, std::string_view name);

  [[nodiscard]] std::size_t rows() const { return rows_; }
  [[nodiscard]] std::size_t columns() const { return columns_; }
  [[nodiscard]] std::size_t memory_bytes() const;

  // out: [x.tokens(), rows]; x.columns() == columns(). `pool` may be null.
  void apply(const QuantizedActivations& x, MatrixView<float> out, ThreadPool* pool) const;

  // The row of the largest output for x, of one token; the lowest of several. The outputs themselves are never stored,
  // which is what it saves. rows() is not 0; without bias.
  [[nodiscard]] std::size_t index_of_max(const QuantizedActivations& x, ThreadPool* pool) const;

 private:
  // Room for a matrix that is not packed yet.
  TernaryLinear(const Kernels& kernels, std::size_t rows, std::size_t columns, float scale,
                std::span<const float> bias);

  const Kernels* kernels_ = nullptr;
  std::size_t rows_ = 0;
  std::size_t columns_ = 0;
  float scale_ = 0.0f;
  AlignedBuffer<std::uint8_t> packed_;
  AlignedBuffer<float> bias_;
};

// Weights in [-127, 127] times one scale a row. out[t, r] = float(sum) * (row_scales[r] * inverse_scale[t]) + bias[r].
// The sums are exact up to 133,000 columns.
class Int8Linear {
 public:
  Int8Linear() = default;
  // codes: [rows, columns] row-major, none of them -128. row_scales: [rows]. bias: [rows] or empty.
  Int8Linear(const Kernels& kernels, std::span<const std::int8_t> codes, std::size_t rows, std::size_t columns,
             std::span<const float> row_scales, std::span<const float> bias = {});

  [[nodiscard]] std::size_t rows() const { return rows_; }
  [[nodiscard]] std::size_t columns() const { return columns_; }
  [[nodiscard]] std::size_t memory_bytes() const;

  void apply(const QuantizedActivations& x, MatrixView<float> out, ThreadPool* pool) const;

 private:
  const Kernels* kernels_ = nullptr;
  std::size_t rows_ = 0;
  std::size_t columns_ = 0;
  AlignedBuffer<std::uint8_t> packed_;
  AlignedBuffer<float> row_scales_;
  AlignedBuffer<float> bias_;
};

// FP32 weights. out[t, r] = sum over columns, in ascending order, of weights[r, c] * x[t, c], then + bias[r].
class FloatLinear {
 public:
  FloatLinear() = default;
  // weights: [rows, columns] row-major. bias: [rows] or empty.
  FloatLinear(const Kernels& kernels, std::span<const float> weights, std::size_t rows, std::size_t columns,
              std::span<const float> bias = {});

  [[nodiscard]] std::size_t rows() const { return rows_; }
  [[nodiscard]] std::size_t columns() const { return columns_; }
  [[nodiscard]] std::size_t memory_bytes() const;

  // x: [tokens, columns], out: [tokens, rows], not overlapping.
  void apply(MatrixView<const float> x, MatrixView<float> out, ThreadPool* pool) const;

 private:
  const Kernels* kernels_ = nullptr;
  std::size_t rows_ = 0;
  std::size_t columns_ = 0;
  AlignedBuffer<std::uint8_t> packed_;
  AlignedBuffer<float> bias_;
};

}  // namespace bitmar
