// Pillow made the expected pixels: tests/goldens/image/make_goldens.py.
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>

#include "base/random.h"
#include "image/image.h"

namespace bitmar {
namespace {

const std::string kResizeGoldens = BITMAR_SOURCE_DIR "/tests/goldens/image/";

Image load(const std::string& name) {
  const auto image = load_image(kResizeGoldens + name);
  EXPECT_TRUE(image) << image.error().message;
  return image ? *image : Image{};
}

std::string read_text(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file) << path;
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string as_ppm(const Image& image) {
  return fmt::format("P6\n{} {}\n255\n", image.width, image.height) +
         std::string(image.pixels.begin(), image.pixels.end());
}

Image noise(std::uint32_t width, std::uint32_t height) {
  Image image{width, height, {}};
  image.pixels.resize(std::size_t{width} * height * 3);
  Random random(3);
  for (auto& value : image.pixels) value = static_cast<std::uint8_t>(random.below(256));
  return image;
}

TEST(Resize, EqualsPillow) {
  std::ifstream list(kResizeGoldens + "resize.txt");
  std::string source, expected;
  std::uint32_t width = 0, height = 0;
  int cases = 0;
  for (; list >> source >> width >> height >> expected; ++cases) {
    const Image result = resize_bicubic(load(source), width, height);
    EXPECT_TRUE(as_ppm(result) == read_text(kResizeGoldens + expected)) << expected;
  }
  EXPECT_EQ(cases, 9);
}

TEST(Resize, CenterCropEqualsPillow) {
  std::ifstream list(kResizeGoldens + "crop.txt");
  std::string source, expected;
  std::uint32_t shorter = 0, side = 0;
  int cases = 0;
  for (; list >> source >> shorter >> side >> expected; ++cases) {
    const Image result = resize_and_center_crop(load(source), shorter, side);
    EXPECT_TRUE(as_ppm(result) == read_text(kResizeGoldens + expected)) << expected;
  }
  EXPECT_EQ(cases, 4);
}

TEST(Resize, SameSizeIsACopy) {
  const Image image = noise(17, 9);
  EXPECT_EQ(resize_bicubic(image, 17, 9).pixels, image.pixels);
}

TEST(Resize, AFlatPictureStaysFlat) {
  Image image{50, 31, {}};
  image.pixels.assign(50 * 31 * 3, 201);
  for (const std::uint32_t side : {1u, 7u, 31u, 100u}) {
    const Image result = resize_bicubic(image, side, side);
    EXPECT_EQ(result.pixels, std::vector<std::uint8_t>(std::size_t{side} * side * 3, 201)) << side;
  }
}

// Resized whole, this picture would take 224 x 7,340,032 pixels.
TEST(Resize, CenterCropOfAThreadIsSmall) {
  const Image tall = resize_and_center_crop(noise(1, 32768), 224, 224);
  EXPECT_EQ(tall.width, 224u);
  EXPECT_EQ(tall.height, 224u);
  EXPECT_EQ(tall.pixels.size(), 224u * 224u * 3u);
}

TEST(Resize, CenterCropEqualsCropOfTheWhole) {
  const Image image = noise(50, 31);
  const Image whole = resize_bicubic(image, 24 * 50 / 31, 24);  // 38 x 24
  const Image result = resize_and_center_crop(image, 24, 21);
  EXPECT_EQ(result.pixels, crop(whole, 8, 2, 21, 21).pixels);  // 17 / 2 rounds to 8, 3 / 2 to 2
}

TEST(Crop, TakesTheRectangle) {
  const Image image = noise(8, 6);
  const Image part = crop(image, 5, 2, 3, 4);
  ASSERT_EQ(part.pixels.size(), 3u * 4u * 3u);
  for (std::size_t y = 0; y < 4; ++y) {
    for (std::size_t x = 0; x < 3; ++x) {
      for (std::size_t c = 0; c < 3; ++c) {
        EXPECT_EQ(part.pixels[(y * 3 + x) * 3 + c], image.pixels[((y + 2) * 8 + x + 5) * 3 + c]);
      }
    }
  }
}

TEST(Mirror, ExchangesLeftAndRight) {
  const Image image{2, 2, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}};
  const Image other = mirror(image);
  EXPECT_EQ(other.pixels, (std::vector<std::uint8_t>{4, 5, 6, 1, 2, 3, 10, 11, 12, 7, 8, 9}));
  EXPECT_EQ(other.width, 2u);
  EXPECT_EQ(mirror(noise(7, 3)).pixels.size(), 7u * 3u * 3u);
  EXPECT_EQ(mirror(mirror(noise(7, 3))).pixels, noise(7, 3).pixels);
}

TEST(Normalise, IsPlanarAndScaled) {
  Image image{2, 1, {0, 51, 255, 255, 102, 0}};
  const auto planes = normalise(image, {0.0f, 0.2f, 0.5f}, {1.0f, 0.5f, 0.25f});
  const std::vector<float> expected = {0.0f, 1.0f, 0.0f, (102.0f / 255.0f - 0.2f) / 0.5f, 2.0f, -2.0f};
  EXPECT_EQ(planes, expected);
}

}  // namespace
}  // namespace bitmar
