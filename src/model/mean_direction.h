// The direction of a mean of vectors: what the contrastive objective compares (docs/model.md, "Objective").
//
//   MeanDirection mean(width);
//   mean.add(states);                                      // rows [n, d], in any number of calls
//   const std::vector<float> unit = mean.unit();           // [d]
#pragma once

#include <cstddef>
#include <vector>

#include "base/matrix_view.h"

namespace bitmar {

class MeanDirection {
 public:
  explicit MeanDirection(std::size_t width) : sums_(width) {}
  void add(MatrixView<const float> rows);
  // The mean of all rows, divided by its L2 norm; zeros stay zeros.
  [[nodiscard]] std::vector<float> unit() const;

 private:
  std::vector<double> sums_;
};

}  // namespace bitmar
