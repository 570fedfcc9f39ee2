#include "model/vision_pooling.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstdint>
#include <span>

namespace bitmar {
namespace {

// The side of a square grid of `count` cells, 0 where there is none of even side.
std::size_t even_side(std::size_t count) {
  const auto side = static_cast<std::size_t>(std::lround(std::sqrt(static_cast<double>(count))));
  return side * side == count && side % 2 == 0 ? side : 0;
}

}  // namespace

std::size_t pooled_count(std::size_t count) {
  return even_side(count) > 0 ? count / 4 : count;
}

void pool_features(MatrixView<const float> features, MatrixView<float> pooled) {
  assert(pooled.rows == pooled_count(features.rows) && pooled.columns == features.columns);
  const std::size_t side = even_side(features.rows);
  if (side == 0) {
    std::ranges::copy(features.values, pooled.values.begin());
    return;
  }
  for (std::size_t index = 0; index < pooled.rows; ++index) {
    const std::size_t corner = index / (side / 2) * 2 * side + index % (side / 2) * 2;
    const std::span<const float> top_left = features.row(corner);
    const std::span<const float> top_right = features.row(corner + 1);
    const std::span<const float> bottom_left = features.row(corner + side);
    const std::span<const float> bottom_right = features.row(corner + side + 1);
    const std::span<float> out = pooled.row(index);
    for (std::size_t k = 0; k < out.size(); ++k) {
      out[k] = ((top_left[k] + top_right[k]) + (bottom_left[k] + bottom_right[k])) * 0.25f;
    }
  }
}

}  // namespace bitmar
