#include "apps/benchmark/photo.h"

#include "base/random.h"
#include "io/mapped_file.h"

namespace bitmar {

Image synthetic_photo(std::uint32_t width, std::uint32_t height) {
  constexpr std::uint64_t kNoise = 64;
  Random random(1);
  Image image{width, height, {}};
  image.pixels.reserve(std::size_t{3} * width * height);
  for (std::uint32_t y = 0; y < height; ++y) {
    for (std::uint32_t x = 0; x < width; ++x) {
      const std::uint64_t horizontal = std::uint64_t{191} * x / width;
      const std::uint64_t vertical = std::uint64_t{191} * y / height;
      for (const std::uint64_t level : {horizontal, vertical, (horizontal + vertical) / 2}) {
        image.pixels.push_back(static_cast<std::uint8_t>(level + random.below(kNoise)));
      }
    }
  }
  return image;
}

Result<BenchmarkPhoto> BenchmarkPhoto::load(const std::string& path) {
  if (path.empty()) return BenchmarkPhoto{synthetic_photo(640, 480), "synthetic", {}};
  BITMAR_TRY(const MappedFile file, MappedFile::open(path));
  std::vector<std::byte> encoded(file.bytes().begin(), file.bytes().end());
  BITMAR_TRY(Image image, decode_image(encoded, path));
  return BenchmarkPhoto{std::move(image), path, std::move(encoded)};
}

}  // namespace bitmar
