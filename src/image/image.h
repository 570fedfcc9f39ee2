// Photos to pixels, and pixels to a tower's input, exactly as Pillow does it.
//
//   BITMAR_TRY(const Image photo, decode_image(bytes, "photo.jpg"));
//   const Image small = resize_bicubic(photo, 224, 224);
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace bitmar {

// 8-bit RGB, rows top down.
struct Image {
  std::uint32_t width = 0;
  std::uint32_t height = 0;
  std::vector<std::uint8_t> pixels;  // [height, width, 3]
};

struct ImageLimits {
  std::uint32_t maximum_side = 32768;
  std::uint64_t maximum_pixels = 100'000'000;     // checked from the header, before anything is decoded
  std::uint64_t maximum_file_bytes = 256u << 20;  // load_image reads no more
};

// JPEG, PNG or WebP, told by its first bytes. Grey becomes RGB, alpha is dropped as Pillow's convert("RGB") does, CMYK
// and YCCK JPEGs are converted as Pillow does, 16-bit PNG is reduced as Pillow does, palettes are expanded. EXIF
// orientation is applied (as ImageOps.exif_transpose). Of an animation, the first picture. Truncated files are errors.
// `name` stands in error messages.
[[nodiscard]] Result<Image> decode_image(std::span<const std::byte> bytes, std::string_view name,
                                         const ImageLimits& limits = {});

// decode_image on the contents of a file.
[[nodiscard]] Result<Image> load_image(const std::string& path, const ImageLimits& limits = {});

// Pillow's Image.resize((width, height), BICUBIC): antialiased separable bicubic (a = -0.5), 8-bit fixed point between
// the passes; equal to Pillow 13 to the bit on RGB. The image and both sides must not be empty (asserted).
[[nodiscard]] Image resize_bicubic(const Image& image, std::uint32_t width, std::uint32_t height);

// The rectangle, which must lie inside the image (asserted).
[[nodiscard]] Image crop(const Image& image, std::uint32_t left, std::uint32_t top, std::uint32_t width,
                         std::uint32_t height);

// Left and right exchanged.
[[nodiscard]] Image mirror(const Image& image);

// Resizes the shorter side to `shorter` (the longer rounds down, as torchvision's Resize), then crops the centre square
// (half pixels round to even, as torchvision's CenterCrop). Only the crop is computed, so a very long image costs no
// more memory than a square one. `side` must be in 1..shorter (asserted).
[[nodiscard]] Image resize_and_center_crop(const Image& image, std::uint32_t shorter, std::uint32_t side);

// (pixel / 255 - mean) / deviation, planar: [3, height, width].
[[nodiscard]] std::vector<float> normalise(const Image& image, const std::array<float, 3>& mean,
                                           const std::array<float, 3>& deviation);

}  // namespace bitmar
