// Random views of photos: how a crop is drawn, for distillation too, and a view as a photo of its own, of which a model
// that learns from features alone can be given several.
#pragma once

#include <cstdint>

#include "base/random.h"
#include "image/image.h"

namespace bitmar {

struct CropSettings {
  double minimum_area = 0.6;     // as a share of the photo's; 1 switches cropping off
  double maximum_aspect = 1.25;  // relative to the photo's shape, either way
  double mirror = 0.5;           // probability
};

// A rectangle in pixels that lies in the photo.
struct Crop {
  double left = 0.0;
  double top = 0.0;
  double width = 0.0;
  double height = 0.0;
  bool mirrored = false;
};

[[nodiscard]] Crop random_crop(std::uint32_t width, std::uint32_t height, const CropSettings& settings, Random& random);

// A random_crop by the default settings, to whole pixels, stretched to the photo's size by resize_bicubic. The image
// must not be empty (asserted).
[[nodiscard]] Image random_view(const Image& photo, Random& random);

}  // namespace bitmar
