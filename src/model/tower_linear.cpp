#include "model/tower_linear.h"

#include <type_traits>
#include <vector>

namespace bitmar {

Result<TowerLinear> TowerLinear::load(const TensorDecoder& tensors, const TensorSpec& weight, const TensorSpec& bias,
                                      const Kernels& kernels) {
  BITMAR_TRY(const std::vector<float> bias_values, tensors.floats(bias));
  TowerLinear result;
  switch (weight.kind) {
    case TensorKind::kTernary: {
      BITMAR_TRY(const PackedTernaryMatrix matrix, tensors.packed_ternary(weight));
      BITMAR_TRY(result.linear_, TernaryLinear::from_canonical(kernels, matrix.packed, matrix.rows, matrix.columns,
                                                               matrix.scale, bias_values, matrix.name));
      break;
    }
    case TensorKind::kInt8Rows: {
      BITMAR_TRY(const Int8MatrixView matrix, tensors.int8_rows_view(weight));
      result.linear_ = Int8Linear(kernels, matrix.codes, matrix.rows, matrix.columns, matrix.scales, bias_values);
      break;
    }
    case TensorKind::kFloat32:
    case TensorKind::kFloat16: {
      BITMAR_TRY(const std::vector<float> values, tensors.floats(weight));
      const auto rows = static_cast<std::size_t>(weight.shape[0]);  // rows * columns is values.size()
      const auto columns = static_cast<std::size_t>(weight.shape[1]);
      result.linear_ = FloatLinear(kernels, values, rows, columns, bias_values);
      break;
    }
  }
  return result;
}

std::size_t TowerLinear::rows() const {
  return std::visit([](const auto& linear) { return linear.rows(); }, linear_);
}

std::size_t TowerLinear::memory_bytes() const {
  return std::visit([](const auto& linear) { return linear.memory_bytes(); }, linear_);
}

void TowerLinear::apply(const TowerActivations& x, MatrixView<float> out, ThreadPool* pool) const {
  std::visit(
      [&](const auto& linear) {
        if constexpr (std::is_same_v<std::remove_cvref_t<decltype(linear)>, FloatLinear>) {
          linear.apply(x.values(), out, pool);
        } else {
          linear.apply(x.quantized(), out, pool);
        }
      },
      linear_);
}

}  // namespace bitmar
