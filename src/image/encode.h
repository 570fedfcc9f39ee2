// Pixels to a PNG file's bytes, for pictures that the project itself makes: heat maps, attention maps.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "base/result.h"

namespace bitmar {

// `pixels` [height, width, channels]; channels 1 (grey), 3 (RGB) or 4 (RGBA, alpha not premultiplied), sRGB.
// kInvalidArgument: another number of channels, or another number of pixels.
[[nodiscard]] Result<std::string> encode_png(std::span<const std::uint8_t> pixels, std::uint32_t height,
                                             std::uint32_t width, std::uint32_t channels);

}  // namespace bitmar
