#include "distill/augmentation.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstddef>
#include <vector>

namespace bitmar {
namespace {

double uniform_between(Random& random, double low, double high) {
  return low + (high - low) * random.uniform();
}

// Where an output coordinate falls between two input coordinates.
struct Tap {
  std::size_t first;
  std::size_t second;
  float fraction;  // of the second
};

std::vector<Tap> make_taps(float origin, float extent, std::uint32_t side, bool mirrored) {
  std::vector<Tap> taps(side);
  const float step = extent / static_cast<float>(side);
  const auto last = static_cast<float>(side - 1);
  for (std::uint32_t i = 0; i < side; ++i) {
    const float position = std::clamp(origin + (static_cast<float>(i) + 0.5f) * step - 0.5f, 0.0f, last);
    const auto first = static_cast<std::size_t>(position);
    taps[mirrored ? side - 1 - i : i] = {first, std::min<std::size_t>(first + 1, side - 1),
                                         position - static_cast<float>(first)};
  }
  return taps;
}

}  // namespace

View plain_view(std::uint32_t side) {
  const auto extent = static_cast<float>(side);
  return {.width = extent, .height = extent};
}

View random_view(std::uint32_t side, const AugmentationSettings& settings, Random& random) {
  const Crop crop = random_crop(side, side, settings.crop, random);
  View view{.left = static_cast<float>(crop.left),
            .top = static_cast<float>(crop.top),
            .width = static_cast<float>(crop.width),
            .height = static_cast<float>(crop.height),
            .mirrored = crop.mirrored};
  view.gain = static_cast<float>(uniform_between(random, 1.0 - settings.contrast, 1.0 + settings.contrast));
  view.offset = static_cast<float>(uniform_between(random, -settings.brightness, settings.brightness));
  return view;
}

void render_view(std::span<const std::uint8_t> pixels, std::uint32_t side, const View& view,
                 const std::array<float, 3>& mean, const std::array<float, 3>& deviation, std::span<float> output) {
  const std::size_t n = side;
  assert(pixels.size() == n * n * 3 && output.size() == n * n * 3);
  const std::vector<Tap> columns = make_taps(view.left, view.width, side, view.mirrored);
  const std::vector<Tap> rows = make_taps(view.top, view.height, side, false);
  std::vector<float> line(n * 3);
  for (std::size_t y = 0; y < n; ++y) {
    const std::uint8_t* upper = pixels.data() + rows[y].first * n * 3;
    const std::uint8_t* lower = pixels.data() + rows[y].second * n * 3;
    const float weight = rows[y].fraction;
    for (std::size_t i = 0; i < n * 3; ++i) {
      const auto above = static_cast<float>(upper[i]);
      const float blended = above + weight * (static_cast<float>(lower[i]) - above);
      line[i] = 0.5f + view.gain * (blended / 255.0f - 0.5f) + view.offset;
    }
    for (std::size_t channel = 0; channel < 3; ++channel) {
      float* target = output.data() + channel * n * n + y * n;
      for (std::size_t x = 0; x < n; ++x) {
        const float first = line[columns[x].first * 3 + channel];
        const float second = line[columns[x].second * 3 + channel];
        const float value = std::clamp(first + columns[x].fraction * (second - first), 0.0f, 1.0f);
        target[x] = (value - mean[channel]) / deviation[channel];
      }
    }
  }
}

}  // namespace bitmar
