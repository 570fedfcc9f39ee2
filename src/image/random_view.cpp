#include "image/random_view.h"

#include <algorithm>
#include <cassert>
#include <cmath>

namespace bitmar {
namespace {

constexpr double kMinimumArea = 0.6;
constexpr double kMaximumAspect = 1.25;

// `share` of `side`, at least a pixel and at most the side.
std::uint32_t part_of(std::uint32_t side, double share) {
  return std::clamp(static_cast<std::uint32_t>(std::lround(share * side)), 1u, side);
}

}  // namespace

Image random_view(const Image& photo, Random& random) {
  assert(photo.width > 0 && photo.height > 0);
  const double area = kMinimumArea + (1.0 - kMinimumArea) * random.uniform();
  const double aspect = std::pow(kMaximumAspect, 2.0 * random.uniform() - 1.0);
  const std::uint32_t width = part_of(photo.width, std::sqrt(area * aspect));
  const std::uint32_t height = part_of(photo.height, std::sqrt(area / aspect));
  const auto left = static_cast<std::uint32_t>(random.below(photo.width - width + 1));
  const auto top = static_cast<std::uint32_t>(random.below(photo.height - height + 1));
  const bool mirrored = random.below(2) == 1;
  const Image view = resize_bicubic(crop(photo, left, top, width, height), photo.width, photo.height);
  return mirrored ? mirror(view) : view;
}

}  // namespace bitmar
