#include <png.h>

#include "image/encode.h"

namespace bitmar {

Result<std::string> encode_png(std::span<const std::uint8_t> pixels, std::uint32_t height, std::uint32_t width,
                               std::uint32_t channels) {
  if ((channels != 1 && channels != 3 && channels != 4) || height == 0 || width == 0 ||
      pixels.size() != std::size_t{height} * width * channels) {
    return fail(ErrorCode::kInvalidArgument, "PNG: {} values are no picture of {}x{} with 1, 3 or 4 channels",
                pixels.size(), width, height);
  }
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = width;
  image.height = height;
  image.format = channels == 1 ? PNG_FORMAT_GRAY : channels == 3 ? PNG_FORMAT_RGB : PNG_FORMAT_RGBA;
  png_alloc_size_t size = 0;
  if (png_image_write_get_memory_size(image, size, 0, pixels.data(), 0, nullptr) == 0) {
    return fail(ErrorCode::kInvalidArgument, "PNG: {}", image.message);
  }
  std::string png(size, '\0');
  if (png_image_write_to_memory(&image, png.data(), &size, 0, pixels.data(), 0, nullptr) == 0) {
    return fail(ErrorCode::kInvalidArgument, "PNG: {}", image.message);
  }
  png.resize(size);
  return png;
}

}  // namespace bitmar
