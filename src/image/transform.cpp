#include <algorithm>
#include <cassert>

#include "image/exif.h"
#include "image/image.h"

namespace bitmar {

Image crop(const Image& image, std::uint32_t left, std::uint32_t top, std::uint32_t width, std::uint32_t height) {
  assert(left <= image.width && width <= image.width - left);
  assert(top <= image.height && height <= image.height - top);
  Image result{width, height, {}};
  result.pixels.resize(std::size_t{width} * height * 3);
  for (std::size_t y = 0; y < height; ++y) {
    const std::size_t source = ((top + y) * image.width + left) * 3;
    std::copy_n(image.pixels.data() + source, std::size_t{width} * 3, result.pixels.data() + y * width * 3);
  }
  return result;
}

Image mirror(const Image& image) {
  return image_detail::apply_orientation(image, image_detail::Orientation::kMirrored);
}

std::vector<float> normalise(const Image& image, const std::array<float, 3>& mean,
                             const std::array<float, 3>& deviation) {
  const std::size_t area = std::size_t{image.width} * image.height;
  std::vector<float> planes(3 * area);
  for (std::size_t channel = 0; channel < 3; ++channel) {
    std::array<float, 256> table{};
    for (std::size_t value = 0; value < table.size(); ++value) {
      table[value] = (static_cast<float>(value) / 255.0f - mean[channel]) / deviation[channel];
    }
    float* const plane = planes.data() + channel * area;
    for (std::size_t i = 0; i < area; ++i) plane[i] = table[image.pixels[3 * i + channel]];
  }
  return planes;
}

}  // namespace bitmar
