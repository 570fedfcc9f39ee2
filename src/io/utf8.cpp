#include "io/utf8.h"

#include <cstddef>
#include <cstdint>

namespace bitmar {

bool is_valid_utf8(std::string_view text) {
  const auto byte_at = [&](std::size_t index) { return static_cast<std::uint8_t>(text[index]); };
  for (std::size_t index = 0; index < text.size();) {
    const std::uint8_t lead = byte_at(index);
    if (lead < 0x80) {
      ++index;
      continue;
    }
    if (lead < 0xC2 || lead > 0xF4) return false;
    const std::size_t length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    if (text.size() - index < length) return false;
    // The second byte's range excludes overlong forms, surrogates and code points beyond the last.
    const std::uint8_t low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    const std::uint8_t high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    if (byte_at(index + 1) < low || byte_at(index + 1) > high) return false;
    for (std::size_t next = 2; next < length; ++next) {
      if ((byte_at(index + next) & 0xC0) != 0x80) return false;
    }
    index += length;
  }
  return true;
}

}  // namespace bitmar
