#include "image/exif.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <string_view>

namespace bitmar::image_detail {
namespace {

constexpr std::uint16_t kOrientationTag = 0x0112;
constexpr std::uint16_t kShortType = 3;
constexpr std::uint16_t kLongType = 4;
constexpr std::size_t kEntryBytes = 12;

class TiffReader {
 public:
  TiffReader(std::span<const std::byte> bytes, bool big_endian) : bytes_(bytes), big_endian_(big_endian) {}

  template <std::size_t kBytes>
  [[nodiscard]] std::optional<std::uint32_t> integer(std::size_t offset) const {
    if (offset > bytes_.size() || bytes_.size() - offset < kBytes) return std::nullopt;
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < kBytes; ++i) {
      const auto byte = std::to_integer<std::uint32_t>(bytes_[offset + (big_endian_ ? i : kBytes - 1 - i)]);
      value = (value << 8) | byte;
    }
    return value;
  }

 private:
  std::span<const std::byte> bytes_;
  bool big_endian_;
};

bool starts_with(std::span<const std::byte> bytes, std::string_view prefix) {
  return bytes.size() >= prefix.size() && std::memcmp(bytes.data(), prefix.data(), prefix.size()) == 0;
}

}  // namespace

Orientation read_orientation(std::span<const std::byte> exif) {
  using std::string_view_literals::operator""sv;
  if (starts_with(exif, "Exif\0\0"sv)) exif = exif.subspan(6);
  const bool big_endian = starts_with(exif, "MM\0*"sv);
  if (!big_endian && !starts_with(exif, "II*\0"sv)) return Orientation::kUpright;
  const TiffReader reader(exif, big_endian);

  const auto directory = reader.integer<4>(4);
  if (!directory) return Orientation::kUpright;
  const std::uint32_t entries = reader.integer<2>(*directory).value_or(0);
  for (std::uint32_t i = 0; i < entries; ++i) {
    const std::size_t entry = std::size_t{*directory} + 2 + i * kEntryBytes;
    const auto tag = reader.integer<2>(entry);
    if (!tag) break;
    if (*tag != kOrientationTag) continue;
    const std::uint32_t type = reader.integer<2>(entry + 2).value_or(0);
    const std::uint32_t count = reader.integer<4>(entry + 4).value_or(0);
    if (count != 1 || (type != kShortType && type != kLongType)) break;
    const auto value = type == kShortType ? reader.integer<2>(entry + 8) : reader.integer<4>(entry + 8);
    if (value && *value >= 1 && *value <= 8) return static_cast<Orientation>(*value);
    break;
  }
  return Orientation::kUpright;
}

Image apply_orientation(Image image, Orientation orientation) {
  if (orientation == Orientation::kUpright) return image;
  const bool swaps_axes = orientation >= Orientation::kTransposed;
  const bool from_right = orientation == Orientation::kMirrored || orientation == Orientation::kRotated180 ||
                          orientation == Orientation::kTransversed ||
                          orientation == Orientation::kRotated90Counterclockwise;
  const bool from_bottom = orientation == Orientation::kRotated180 || orientation == Orientation::kFlipped ||
                           orientation == Orientation::kRotated90Clockwise || orientation == Orientation::kTransversed;

  Image upright;
  upright.width = swaps_axes ? image.height : image.width;
  upright.height = swaps_axes ? image.width : image.height;
  upright.pixels.resize(image.pixels.size());
  std::uint8_t* destination = upright.pixels.data();
  for (std::size_t y = 0; y < upright.height; ++y) {
    for (std::size_t x = 0; x < upright.width; ++x) {
      std::size_t column = swaps_axes ? y : x;
      std::size_t row = swaps_axes ? x : y;
      if (from_right) column = image.width - 1 - column;
      if (from_bottom) row = image.height - 1 - row;
      destination = std::copy_n(&image.pixels[(row * image.width + column) * 3], 3, destination);
    }
  }
  return upright;
}

}  // namespace bitmar::image_detail
