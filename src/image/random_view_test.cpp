#include "image/random_view.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace bitmar {
namespace {

constexpr std::uint32_t kWidth = 128;
constexpr std::uint32_t kHeight = 64;

// Red says how far right a pixel is, green how far down: a view's corners tell where it was cut.
Image gradient() {
  Image image{kWidth, kHeight, {}};
  for (std::uint32_t y = 0; y < kHeight; ++y) {
    for (std::uint32_t x = 0; x < kWidth; ++x) {
      for (const std::uint32_t value : {2 * x, 4 * y, 0u}) image.pixels.push_back(static_cast<std::uint8_t>(value));
    }
  }
  return image;
}

TEST(RandomView, CutsMostOfThePhotoAtAnyPlaceAndMirrorsHalf) {
  const Image photo = gradient();
  Random random(1);
  std::set<int> places;
  int mirrored = 0;
  for (int i = 0; i < 200; ++i) {
    const Image view = random_view(photo, random);
    ASSERT_EQ(view.width, kWidth);
    ASSERT_EQ(view.height, kHeight);
    const std::size_t last = view.pixels.size() - 3;
    const int red[] = {view.pixels[0], view.pixels[last]};
    const int green[] = {view.pixels[1], view.pixels[last + 1]};
    // Corners of the crop within a pixel of what interpolation makes of them: 2 of red, 4 of green.
    const double width = (std::abs(red[1] - red[0]) + 2) / (2.0 * kWidth);
    const double height = (green[1] - green[0] + 4) / (4.0 * kHeight);
    EXPECT_GT(width * height, 0.6 - 0.05);
    EXPECT_LE(width, 1.0 + 0.01);
    EXPECT_LE(height, 1.0 + 0.01);
    EXPECT_LT(std::max(width / height, height / width), 1.25 + 0.06);
    places.insert(std::min(red[0], red[1]));
    mirrored += red[1] < red[0];
  }
  EXPECT_GT(places.size(), 10u);
  EXPECT_NEAR(mirrored, 100, 35);  // five deviations
}

TEST(RandomView, IsAFunctionOfPhotoAndGenerator) {
  const Image photo = gradient();
  Random first(7), again(7), other(8);
  const Image view = random_view(photo, first);
  EXPECT_EQ(view.pixels, random_view(photo, again).pixels);
  EXPECT_NE(view.pixels, random_view(photo, other).pixels);
}

TEST(RandomView, OfASinglePixelIsThatPixel) {
  const Image pixel{1, 1, {10, 20, 30}};
  Random random(1);
  EXPECT_EQ(random_view(pixel, random).pixels, pixel.pixels);
}

}  // namespace
}  // namespace bitmar
