// The one EXIF tag that changes pixels: orientation.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "image/image.h"

namespace bitmar::image_detail {

// The values of EXIF tag 0x0112: where row 0 and column 0 of the stored pixels stand in the upright picture.
enum class Orientation : std::uint8_t {
  kUpright = 1,
  kMirrored = 2,
  kRotated180 = 3,
  kFlipped = 4,
  kTransposed = 5,
  kRotated90Clockwise = 6,  // the stored pixels must turn 90 degrees clockwise
  kTransversed = 7,
  kRotated90Counterclockwise = 8,
};

// Reads the tag from a TIFF structure ("II*\0" or "MM\0*"), with or without "Exif\0\0" before it. Anything malformed
// counts as upright: bad metadata must not hide a good picture.
[[nodiscard]] Orientation read_orientation(std::span<const std::byte> exif);

// The upright picture (as Pillow's ImageOps.exif_transpose).
[[nodiscard]] Image apply_orientation(Image image, Orientation orientation);

}  // namespace bitmar::image_detail
