// The decoders behind decode_image, one a format. Each turns a whole file into RGB pixels as stored and the
// orientation that its EXIF block asks for. Errors name no file: decode_image puts the name in front.
#pragma once

#include <cstddef>
#include <span>

#include "base/result.h"
#include "image/exif.h"
#include "image/image.h"

namespace bitmar::image_detail {

struct Decoded {
  Image image;
  Orientation orientation = Orientation::kUpright;
};

Result<Decoded> decode_jpeg(std::span<const std::byte> bytes, const ImageLimits& limits);
Result<Decoded> decode_png(std::span<const std::byte> bytes, const ImageLimits& limits);
Result<Decoded> decode_webp(std::span<const std::byte> bytes, const ImageLimits& limits);

// An image of the stated size with zeroed pixels, or an error where the size is zero or beyond the limits.
Result<Image> allocate_image(std::uint64_t width, std::uint64_t height, const ImageLimits& limits);

}  // namespace bitmar::image_detail
