#include "image/image.h"

#include <algorithm>
#include <cstddef>
#include <span>

#include "base/checked.h"
#include "bitmar/bitmar.h"
#include "capi/boundary.h"
#include "capi/handles.h"

using bitmar::ErrorCode;
using bitmar::Image;
using bitmar::Result;
using bitmar::capi::guarded;
using bitmar::capi::require;

namespace {

// Rows of width * 3 bytes that stand `stride` bytes apart.
Result<Image> copy_rgb(const std::uint8_t* pixels, std::uint32_t width, std::uint32_t height, std::size_t stride) {
  const bitmar::ImageLimits limits;
  if (width < 1 || height < 1 || width > limits.maximum_side || height > limits.maximum_side ||
      std::uint64_t{width} * height > limits.maximum_pixels) {
    return bitmar::fail(ErrorCode::kOutOfRange, "the image has {} x {} pixels; expected 1 to {} a side and at most {}",
                        width, height, limits.maximum_side, limits.maximum_pixels);
  }
  const std::size_t row = std::size_t{3} * width;
  if (stride == 0) stride = row;
  if (stride < row) {
    return bitmar::fail(ErrorCode::kInvalidArgument, "stride is {}; expected at least 3 * width = {}", stride, row);
  }
  Image image{width, height, {}};
  image.pixels.resize(row * height);
  for (std::size_t y = 0; y < height; ++y) {
    std::copy_n(pixels + y * stride, row, image.pixels.data() + y * row);
  }
  return image;
}

}  // namespace

extern "C" {

bitmar_status bitmar_session_set_image_bytes(bitmar_session* session, const void* bytes, size_t size,
                                             bitmar_error* error) {
  return guarded(error, [&]() -> Result<void> {
    BITMAR_TRY_VOID(require(session, "session"));
    BITMAR_TRY_VOID(require(bytes, "bytes"));
    const std::span<const std::byte> file(static_cast<const std::byte*>(bytes), size);
    BITMAR_TRY(const Image image, bitmar::decode_image(file, "image"));
    return session->session.set_image(image);
  });
}

bitmar_status bitmar_session_set_image_file(bitmar_session* session, const char* path, bitmar_error* error) {
  return guarded(error, [&]() -> Result<void> {
    BITMAR_TRY_VOID(require(session, "session"));
    BITMAR_TRY_VOID(require(path, "path"));
    BITMAR_TRY(const Image image, bitmar::load_image(path));
    return session->session.set_image(image);
  });
}

bitmar_status bitmar_session_set_image_rgb(bitmar_session* session, const uint8_t* pixels, uint32_t width,
                                           uint32_t height, size_t stride, bitmar_error* error) {
  return guarded(error, [&]() -> Result<void> {
    BITMAR_TRY_VOID(require(session, "session"));
    BITMAR_TRY_VOID(require(pixels, "pixels"));
    BITMAR_TRY(const Image image, copy_rgb(pixels, width, height, stride));
    return session->session.set_image(image);
  });
}

bitmar_status bitmar_session_set_features(bitmar_session* session, const float* features, size_t patches, size_t width,
                                          bitmar_error* error) {
  return guarded(error, [&]() -> Result<void> {
    BITMAR_TRY_VOID(require(session, "session"));
    BITMAR_TRY_VOID(require(features, "features"));
    const auto values = bitmar::checked_multiply(patches, width);
    if (!values) return bitmar::fail(ErrorCode::kOutOfRange, "{} x {} features overflow", patches, width);
    return session->session.set_features({{features, *values}, patches, width});
  });
}

void bitmar_session_clear_image(bitmar_session* session) {
  if (session != nullptr) session->session.clear_image();
}

bool bitmar_session_has_image(const bitmar_session* session) {
  return session != nullptr && session->session.has_image();
}

}  // extern "C"
