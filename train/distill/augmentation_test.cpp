#include "distill/augmentation.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <vector>

namespace bitmar {
namespace {

constexpr std::array<float, 3> kMean = {0.5f, 0.4f, 0.3f};
constexpr std::array<float, 3> kDeviation = {0.5f, 0.25f, 1.0f};

std::vector<std::uint8_t> noise(std::uint32_t side, std::uint64_t seed) {
  Random random(seed);
  std::vector<std::uint8_t> pixels(std::size_t{side} * side * 3);
  for (auto& pixel : pixels) pixel = static_cast<std::uint8_t>(random.below(256));
  return pixels;
}

std::vector<float> render(const std::vector<std::uint8_t>& pixels, std::uint32_t side, const View& view) {
  std::vector<float> output(pixels.size());
  render_view(pixels, side, view, kMean, kDeviation, output);
  return output;
}

TEST(RenderView, PlainViewIsTheNormalisedPhoto) {
  const std::uint32_t side = 6;
  const auto pixels = noise(side, 1);
  const auto output = render(pixels, side, plain_view(side));
  for (std::size_t channel = 0; channel < 3; ++channel) {
    for (std::size_t i = 0; i < side * side; ++i) {
      const float expected =
          (static_cast<float>(pixels[i * 3 + channel]) / 255.0f - kMean[channel]) / kDeviation[channel];
      EXPECT_NEAR(output[channel * side * side + i], expected, 1e-5f);
    }
  }
}

TEST(RenderView, MirrorsLeftAndRight) {
  const std::uint32_t side = 5;
  const auto pixels = noise(side, 2);
  View view = plain_view(side);
  const auto plain = render(pixels, side, view);
  view.mirrored = true;
  const auto mirrored = render(pixels, side, view);
  for (std::size_t row = 0; row < 3 * side; ++row) {
    for (std::size_t x = 0; x < side; ++x) EXPECT_EQ(mirrored[row * side + x], plain[row * side + side - 1 - x]);
  }
}

TEST(RenderView, CropIsTheBilinearInterpolationOfItsRectangle) {
  // A ramp in x: interpolation reproduces it exactly, so every output column is known.
  const std::uint32_t side = 8;
  std::vector<std::uint8_t> pixels(std::size_t{side} * side * 3);
  for (std::size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<std::uint8_t>(20 * ((i / 3) % side));
  const View view{.left = 2.0f, .top = 1.0f, .width = 4.0f, .height = 6.0f};
  const auto output = render(pixels, side, view);
  for (std::size_t x = 0; x < side; ++x) {
    const float source = 2.0f + (static_cast<float>(x) + 0.5f) * 0.5f - 0.5f;
    EXPECT_NEAR(output[3 * side + x], (source * 20.0f / 255.0f - kMean[0]) / kDeviation[0], 1e-5f) << x;
  }
}

TEST(RenderView, ContrastTurnsAboutGreyAndValuesAreClipped) {
  const std::uint32_t side = 2;
  const std::vector<std::uint8_t> pixels(12, 204);  // 0.8
  View view = plain_view(side);
  view.gain = 0.5f;
  view.offset = 0.1f;
  EXPECT_NEAR(render(pixels, side, view)[0], (0.75f - kMean[0]) / kDeviation[0], 1e-5f);
  view.offset = 2.0f;
  EXPECT_NEAR(render(pixels, side, view)[0], (1.0f - kMean[0]) / kDeviation[0], 1e-5f);
}

TEST(RandomView, StaysInsideThePhotoAndVaries) {
  const AugmentationSettings settings;
  Random random(3);
  int mirrored = 0;
  float smallest = 1.0f;
  for (int i = 0; i < 2000; ++i) {
    const View view = random_view(224, settings, random);
    ASSERT_GE(view.left, 0.0f);
    ASSERT_GE(view.top, 0.0f);
    ASSERT_LE(view.left + view.width, 224.001f);
    ASSERT_LE(view.top + view.height, 224.001f);
    const float area = view.width * view.height / (224.0f * 224.0f);
    ASSERT_LE(area, 1.0001f);
    smallest = std::min(smallest, area);
    mirrored += view.mirrored ? 1 : 0;
  }
  EXPECT_LT(smallest, 0.65f);
  // Binomial with p = 0.5: five standard deviations are 112.
  EXPECT_NEAR(mirrored, 1000, 112);
}

TEST(RandomView, MinimumAreaOneShowsTheWholePhoto) {
  const AugmentationSettings settings{.crop = {.minimum_area = 1.0, .maximum_aspect = 1.0}};
  Random random(4);
  const View view = random_view(224, settings, random);
  EXPECT_FLOAT_EQ(view.width, 224.0f);
  EXPECT_FLOAT_EQ(view.height, 224.0f);
}

}  // namespace
}  // namespace bitmar
