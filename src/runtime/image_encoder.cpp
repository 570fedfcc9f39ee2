#include "runtime/image_encoder.h"

namespace bitmar {

std::vector<float> tower_input(const Image& photo, const VisionTowerConfig& config) {
  const Image fitted = config.fit == ImageFit::kSquash
                           ? resize_bicubic(photo, config.image_size, config.image_size)
                           : resize_and_center_crop(photo, config.resize_shorter, config.image_size);
  return normalise(fitted, config.mean, config.deviation);
}

void ImageEncoder::encode(const Image& photo, MatrixView<float> features, ThreadPool* pool) {
  tower_->encode(tower_input(photo, tower_->config()), features, workspace_, pool);
}

}  // namespace bitmar
