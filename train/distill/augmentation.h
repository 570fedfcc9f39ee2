// Random views of a photo for distillation: a crop of random size and shape stretched to the full square, a mirror
// image, a little brightness and contrast; and the plain view, for measuring. Every view is a function of the photo and
// of the generator it is given, so a run repeats exactly.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "base/random.h"
#include "image/random_view.h"

namespace bitmar {

struct AugmentationSettings {
  CropSettings crop;
  double brightness = 0.1;  // added, uniform in +- this, on the scale where white is 1
  double contrast = 0.15;   // factor about mid-grey, uniform in 1 +- this
};

// What to show of a photo of side `side`: the rectangle in pixels, and the change of its values.
struct View {
  float left = 0.0f;
  float top = 0.0f;
  float width = 0.0f;
  float height = 0.0f;
  bool mirrored = false;
  float gain = 1.0f;  // value' = clip(0.5 + gain (value - 0.5) + offset, 0, 1)
  float offset = 0.0f;
};

[[nodiscard]] View plain_view(std::uint32_t side);
[[nodiscard]] View random_view(std::uint32_t side, const AugmentationSettings& settings, Random& random);

// Renders the view by bilinear interpolation (crops are enlarged, never reduced) and normalises it:
// pixels [side, side, 3] -> output [3, side, side], (value - mean) / deviation.
void render_view(std::span<const std::uint8_t> pixels, std::uint32_t side, const View& view,
                 const std::array<float, 3>& mean, const std::array<float, 3>& deviation, std::span<float> output);

}  // namespace bitmar
