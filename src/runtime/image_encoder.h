// A photo to patch features: fit, normalise, vision tower.
//
//   ImageEncoder encoder(tower);                              // one a thread
//   encoder.encode(photo, features, &pool);                   // features: [patches, width]
#pragma once

#include <vector>

#include "base/matrix_view.h"
#include "base/thread_pool.h"
#include "image/image.h"
#include "model/schema/config.h"
#include "model/vision_tower.h"

namespace bitmar {

// The tower's input [3, image_size, image_size] of a photo, by the config's fit, mean and deviation.
[[nodiscard]] std::vector<float> tower_input(const Image& photo, const VisionTowerConfig& config);

// Holds the working memory; the tower outlives it.
class ImageEncoder {
 public:
  explicit ImageEncoder(const VisionTower& tower) : tower_(&tower), workspace_(tower) {}

  // features: [patches, width]. `pool` may be null.
  void encode(const Image& photo, MatrixView<float> features, ThreadPool* pool);

 private:
  const VisionTower* tower_;
  VisionWorkspace workspace_;
};

}  // namespace bitmar
