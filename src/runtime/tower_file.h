// Opening a vision tower: from a tower file (`bitmar convert`) or from a whole model that has one.
#pragma once

#include <string>

#include "base/result.h"
#include "kernels/kernels.h"
#include "model/vision_tower.h"

namespace bitmar {

// Errors name the file and the key or tensor. `kernels` outlives the tower.
[[nodiscard]] Result<VisionTower> load_tower_file(const std::string& path, const Kernels& kernels);

}  // namespace bitmar
