// One projection of the vision tower at the precision that its file stores.
//
//   TowerActivations input(rows_at_most, columns_at_most);
//   input.set(kernels, x, projection.quantized());    // quantizes once for several projections of the same x
//   projection.apply(input, out, &pool);
#pragma once

#include <cstddef>
#include <string>
#include <variant>

#include "base/matrix_view.h"
#include "base/result.h"
#include "base/thread_pool.h"
#include "kernels/kernels.h"
#include "kernels/linear.h"
#include "model/schema/tensor_codec.h"
#include "model/schema/tensor_table.h"

namespace bitmar {

// What a projection reads: FP32 rows, and their int8 codes where the projection wants those.
class TowerActivations {
 public:
  TowerActivations() = default;
  TowerActivations(std::size_t rows, std::size_t columns) : quantized_(rows, columns) {}

  // `x` is borrowed until the last use of these activations.
  void set(const Kernels& kernels, MatrixView<const float> x, bool quantize) {
    values_ = x;
    if (quantize) quantize_activations(kernels, x, quantized_);
  }
  [[nodiscard]] MatrixView<const float> values() const { return values_; }
  [[nodiscard]] const QuantizedActivations& quantized() const { return quantized_; }

 private:
  MatrixView<const float> values_;
  QuantizedActivations quantized_;
};

class TowerLinear {
 public:
  // The matrix of `weight` (kFloat32, kInt8Rows or kTernary) with the bias of `bias`.
  static Result<TowerLinear> load(const TensorDecoder& tensors, const TensorSpec& weight, const TensorSpec& bias,
                                  const Kernels& kernels);

  // Whether apply() reads the activations' int8 codes.
  [[nodiscard]] bool quantized() const { return !std::holds_alternative<FloatLinear>(linear_); }
  [[nodiscard]] std::size_t rows() const;
  [[nodiscard]] std::size_t memory_bytes() const;
  // out: [x rows, rows()].
  void apply(const TowerActivations& x, MatrixView<float> out, ThreadPool* pool) const;

 private:
  std::variant<FloatLinear, Int8Linear, TernaryLinear> linear_;
};

}  // namespace bitmar
