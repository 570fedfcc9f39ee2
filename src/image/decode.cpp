#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <utility>

#include "image/decoders.h"
#include "image/image.h"

namespace bitmar {
namespace {

using image_detail::Decoded;

bool has_bytes_at(std::span<const std::byte> bytes, std::size_t offset, std::string_view expected) {
  return bytes.size() >= offset + expected.size() &&
         std::memcmp(bytes.data() + offset, expected.data(), expected.size()) == 0;
}

Result<Decoded> decode_by_signature(std::span<const std::byte> bytes, const ImageLimits& limits) {
  if (has_bytes_at(bytes, 0, "\xFF\xD8\xFF")) return image_detail::decode_jpeg(bytes, limits);
  if (has_bytes_at(bytes, 0, "\x89PNG\r\n\x1A\n")) return image_detail::decode_png(bytes, limits);
  if (has_bytes_at(bytes, 0, "RIFF") && has_bytes_at(bytes, 8, "WEBP")) return image_detail::decode_webp(bytes, limits);
  if (bytes.empty()) return fail(ErrorCode::kInvalidFile, "the file is empty, expected a JPEG, PNG or WebP image");
  return fail(ErrorCode::kInvalidFile, "not a JPEG, PNG or WebP image");
}

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

}  // namespace

Result<Image> image_detail::allocate_image(std::uint64_t width, std::uint64_t height, const ImageLimits& limits) {
  if (width == 0 || height == 0) return fail(ErrorCode::kInvalidFile, "the image is {} x {} pixels", width, height);
  if (width > limits.maximum_side || height > limits.maximum_side) {
    return fail(ErrorCode::kOutOfRange, "the image is {} x {} pixels, at most {} a side are accepted", width, height,
                limits.maximum_side);
  }
  if (width * height > limits.maximum_pixels) {  // both sides fit 32 bits, so the product fits 64
    return fail(ErrorCode::kOutOfRange, "the image is {} x {} = {} pixels, at most {} are accepted", width, height,
                width * height, limits.maximum_pixels);
  }
  Image image;
  image.width = static_cast<std::uint32_t>(width);
  image.height = static_cast<std::uint32_t>(height);
  image.pixels.resize(static_cast<std::size_t>(width * height * 3));
  return image;
}

Result<Image> decode_image(std::span<const std::byte> bytes, std::string_view name, const ImageLimits& limits) {
  auto decoded = decode_by_signature(bytes, limits);
  if (!decoded) return fail(decoded.error().code, "{}: {}", name, decoded.error().message);
  return image_detail::apply_orientation(std::move(decoded->image), decoded->orientation);
}

Result<Image> load_image(const std::string& path, const ImageLimits& limits) {
  const std::unique_ptr<std::FILE, CloseFile> file(std::fopen(path.c_str(), "rb"));
  if (file == nullptr) {
    const ErrorCode code = errno == ENOENT ? ErrorCode::kNotFound : ErrorCode::kIo;
    return fail(code, "{}: cannot open: {}", path, std::strerror(errno));
  }
  constexpr std::size_t kChunk = std::size_t{1} << 18;
  std::vector<std::byte> bytes;
  for (;;) {
    const std::size_t have = bytes.size();
    bytes.resize(have + kChunk);
    const std::size_t got = std::fread(bytes.data() + have, 1, kChunk, file.get());
    bytes.resize(have + got);
    if (std::ferror(file.get()) != 0) return fail(ErrorCode::kIo, "{}: cannot read: {}", path, std::strerror(errno));
    if (bytes.size() > limits.maximum_file_bytes) {
      return fail(ErrorCode::kOutOfRange, "{}: larger than {} bytes, too large for an image", path,
                  limits.maximum_file_bytes);
    }
    if (got == 0) break;
  }
  return decode_image(bytes, path, limits);
}

}  // namespace bitmar
