// The 2x2 average pooling that starts the vision compression (docs/model.md, "Vision compression").
#pragma once

#include <cstddef>

#include "base/matrix_view.h"

namespace bitmar {

// Rows left after pooling `count` patch features: count / 4 where they form a square grid of even side, else `count`
// (a single vector per image, or an odd grid, is not pooled).
[[nodiscard]] std::size_t pooled_count(std::size_t count);

// features [count, width] in raster order -> pooled [pooled_count(count), width]; a copy where nothing is pooled. Each
// output is ((top left + top right) + (bottom left + bottom right)) / 4. The views must not overlap.
void pool_features(MatrixView<const float> features, MatrixView<float> pooled);

}  // namespace bitmar
