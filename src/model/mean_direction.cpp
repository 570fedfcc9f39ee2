#include "model/mean_direction.h"

#include <algorithm>
#include <cmath>

namespace bitmar {

void MeanDirection::add(MatrixView<const float> rows) {
  for (std::size_t row = 0; row < rows.rows; ++row) {
    const auto values = rows.row(row);
    for (std::size_t i = 0; i < sums_.size(); ++i) sums_[i] += double{values[i]};
  }
}

std::vector<float> MeanDirection::unit() const {
  double squares = 0;
  for (const double sum : sums_) squares += sum * sum;
  const double norm = std::sqrt(squares);
  std::vector<float> unit(sums_.size());
  if (norm > 0) std::ranges::transform(sums_, unit.begin(), [&](double sum) { return static_cast<float>(sum / norm); });
  return unit;
}

}  // namespace bitmar
