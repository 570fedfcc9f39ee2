#include "image/random_view.h"

#include <algorithm>
#include <cassert>
#include <cmath>

namespace bitmar {
namespace {

double uniform_between(Random& random, double low, double high) {
  return low + (high - low) * random.uniform();
}

std::uint32_t whole_pixels(double extent, std::uint32_t least, std::uint32_t most) {
  return std::clamp(static_cast<std::uint32_t>(std::lround(extent)), least, most);
}

}  // namespace

Crop random_crop(std::uint32_t width, std::uint32_t height, const CropSettings& settings, Random& random) {
  const double area = uniform_between(random, settings.minimum_area, 1.0);
  const double bound = std::log(settings.maximum_aspect);
  const double aspect = std::exp(uniform_between(random, -bound, bound));
  Crop crop{.width = std::min<double>(width, width * std::sqrt(area * aspect)),
            .height = std::min<double>(height, height * std::sqrt(area / aspect))};
  crop.left = uniform_between(random, 0.0, width - crop.width);
  crop.top = uniform_between(random, 0.0, height - crop.height);
  crop.mirrored = random.uniform() < settings.mirror;
  return crop;
}

Image random_view(const Image& photo, Random& random) {
  assert(photo.width > 0 && photo.height > 0);
  const Crop part = random_crop(photo.width, photo.height, {}, random);
  const std::uint32_t width = whole_pixels(part.width, 1, photo.width);
  const std::uint32_t height = whole_pixels(part.height, 1, photo.height);
  const std::uint32_t left = whole_pixels(part.left, 0, photo.width - width);
  const std::uint32_t top = whole_pixels(part.top, 0, photo.height - height);
  const Image view = resize_bicubic(crop(photo, left, top, width, height), photo.width, photo.height);
  return part.mirrored ? mirror(view) : view;
}

}  // namespace bitmar
