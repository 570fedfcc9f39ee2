// Pillow made the pictures and the expected pixels: tests/goldens/image/make_goldens.py.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <string>
#include <vector>

#include "base/random.h"
#include "image/exif.h"
#include "image/image.h"

namespace bitmar {
namespace {

const std::string kDecodeGoldens = BITMAR_SOURCE_DIR "/tests/goldens/image/";

// Bounds what a flipped header bit may ask for.
constexpr ImageLimits kSmallLimits{.maximum_side = 4096, .maximum_pixels = 1u << 20};

std::vector<std::byte> read_bytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file) << path;
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

std::vector<std::string> golden_names() {
  std::ifstream list(kDecodeGoldens + "decode.txt");
  std::vector<std::string> names;
  for (std::string name; std::getline(list, name);) names.push_back(name);
  return names;
}

Image read_ppm(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string magic;
  Image image;
  int maximum = 0;
  file >> magic >> image.width >> image.height >> maximum;
  EXPECT_TRUE(file && magic == "P6" && maximum == 255) << path;
  file.get();
  image.pixels.resize(std::size_t{image.width} * image.height * 3);
  file.read(reinterpret_cast<char*>(image.pixels.data()), static_cast<std::streamsize>(image.pixels.size()));
  EXPECT_TRUE(file) << path;
  return image;
}

int largest_difference(const Image& a, const Image& b) {
  int largest = 0;
  for (std::size_t i = 0; i < a.pixels.size(); ++i) largest = std::max(largest, std::abs(a.pixels[i] - b.pixels[i]));
  return largest;
}

class DecodeGolden : public ::testing::TestWithParam<std::string> {};

TEST_P(DecodeGolden, EqualsPillow) {
  const auto decoded = load_image(kDecodeGoldens + GetParam());
  ASSERT_TRUE(decoded) << decoded.error().message;
  const Image expected = read_ppm(kDecodeGoldens + GetParam() + ".ppm");
  ASSERT_EQ(decoded->width, expected.width);
  ASSERT_EQ(decoded->height, expected.height);
  ASSERT_EQ(decoded->pixels.size(), expected.pixels.size());
  // Builds of the lossy codecs may round differently; a PNG has one answer.
  EXPECT_LE(largest_difference(*decoded, expected), GetParam().ends_with(".png") ? 0 : 1);
}

TEST_P(DecodeGolden, EveryTruncationIsAnError) {
  const auto bytes = read_bytes(kDecodeGoldens + GetParam());
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const auto decoded = decode_image(std::span(bytes).first(size), "cut", kSmallLimits);
    ASSERT_FALSE(decoded) << "cut to " << size << " of " << bytes.size() << " bytes";
    ASSERT_TRUE(decoded.error().message.starts_with("cut: ")) << decoded.error().message;
  }
}

TEST_P(DecodeGolden, FlippedBitsGiveAnErrorOrAPicture) {
  const auto original = read_bytes(kDecodeGoldens + GetParam());
  Random random(20240611);
  for (int i = 0; i < 1000; ++i) {
    auto bytes = original;
    const std::uint64_t bit = random.below(bytes.size() * 8);
    bytes[bit / 8] ^= std::byte{1} << (bit % 8);
    const auto decoded = decode_image(bytes, "flipped", kSmallLimits);
    if (!decoded) continue;
    ASSERT_EQ(decoded->pixels.size(), std::size_t{decoded->width} * decoded->height * 3);
    ASSERT_LE(decoded->pixels.size(), kSmallLimits.maximum_pixels * 3);
  }
}

INSTANTIATE_TEST_SUITE_P(Files, DecodeGolden, ::testing::ValuesIn(golden_names()), [](const auto& info) {
  std::string name = info.param;
  std::ranges::replace(name, '.', '_');
  return name;
});

TEST(Decode, GoldensArePresent) {
  EXPECT_GE(golden_names().size(), 40u);
}

TEST(Decode, NoiseAfterASignatureIsAnError) {
  for (const std::string signature : {"\xFF\xD8\xFF", "\x89PNG\r\n\x1A\n", "RIFF\x10\0\0\0WEBP", ""}) {
    Random random(7);
    std::string text = signature;
    for (int i = 0; i < 500; ++i) text.push_back(static_cast<char>(random.below(256)));
    EXPECT_FALSE(decode_image(std::as_bytes(std::span(text)), "noise"));
  }
}

TEST(Decode, LimitsAreCheckedAndNamed) {
  for (const char* name : {"rgb.png", "rgb_420.jpg", "lossy.webp"}) {
    const auto file = read_bytes(kDecodeGoldens + name);
    const auto wide = decode_image(file, name, {.maximum_side = 36});  // all three are 37 x 29
    ASSERT_FALSE(wide);
    EXPECT_EQ(wide.error().code, ErrorCode::kOutOfRange);
    EXPECT_NE(wide.error().message.find("37 x 29"), std::string::npos) << wide.error().message;
    const auto large = decode_image(file, name, {.maximum_pixels = 37 * 29 - 1});
    ASSERT_FALSE(large);
    EXPECT_EQ(large.error().code, ErrorCode::kOutOfRange);
    EXPECT_TRUE(decode_image(file, name, {.maximum_side = 37, .maximum_pixels = 37 * 29}));
  }
}

TEST(Decode, OtherFormatsAreRefusedByName) {
  const std::string gif = "GIF89a...";
  const auto decoded = decode_image(std::as_bytes(std::span(gif)), "moving.gif");
  ASSERT_FALSE(decoded);
  EXPECT_EQ(decoded.error().code, ErrorCode::kInvalidFile);
  EXPECT_EQ(decoded.error().message, "moving.gif: not a JPEG, PNG or WebP image");
}

TEST(Load, NamesMissingAndOversizedFiles) {
  const auto missing = load_image("no/such/photo.jpg");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::kNotFound);
  EXPECT_NE(missing.error().message.find("no/such/photo.jpg"), std::string::npos);
  EXPECT_FALSE(load_image(kDecodeGoldens));  // a folder
  const auto oversized = load_image(kDecodeGoldens + "rgb.png", {.maximum_file_bytes = 100});
  ASSERT_FALSE(oversized);
  EXPECT_EQ(oversized.error().code, ErrorCode::kOutOfRange);
}

TEST(Exif, MalformedBlocksCountAsUpright) {
  using image_detail::Orientation;
  using image_detail::read_orientation;
  const auto read = [](const std::string& text) { return read_orientation(std::as_bytes(std::span(text))); };
  using std::string_literals::operator""s;
  const std::string good = "II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0"s;
  EXPECT_EQ(read(good), Orientation::kRotated90Clockwise);
  EXPECT_EQ(read("Exif\0\0"s + good), Orientation::kRotated90Clockwise);
  EXPECT_EQ(read("MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x08\0\0"s), Orientation::kRotated90Counterclockwise);
  for (std::size_t size = 0; size < 20; ++size) EXPECT_EQ(read(good.substr(0, size)), Orientation::kUpright) << size;
  EXPECT_EQ(read("II*\0\xFF\xFF\xFF\xFF"s), Orientation::kUpright);
  EXPECT_EQ(read("II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x09\0\0\0"s), Orientation::kUpright);  // not 1..8
  EXPECT_EQ(read("II*\0\x08\0\0\0\x01\0\x12\x01\x02\0\x01\0\0\0\x06\0\0\0"s), Orientation::kUpright);  // text
}

}  // namespace
}  // namespace bitmar
