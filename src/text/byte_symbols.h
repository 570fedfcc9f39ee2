// GPT-2 writes each byte as a printable character and numbers the bytes in that alphabet's order: first the 188 bytes
// that are printable in Latin-1, which stand for themselves, then the other 68, which become U+0100 and up.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

namespace bitmar::text_detail {

constexpr bool stands_for_itself(unsigned byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || (byte >= 0xAE && byte <= 0xFF);
}

struct ByteSymbols {
  std::array<std::uint8_t, 256> byte_of{};    // by id
  std::array<std::uint8_t, 256> symbol_of{};  // by byte

  constexpr ByteSymbols() {
    unsigned id = 0;
    for (const bool printable : {true, false}) {
      for (unsigned byte = 0; byte < 256; ++byte) {
        if (stands_for_itself(byte) != printable) continue;
        byte_of[id] = static_cast<std::uint8_t>(byte);
        symbol_of[byte] = static_cast<std::uint8_t>(id++);
      }
    }
  }

  // The byte that GPT-2's published files write as this code point.
  [[nodiscard]] constexpr std::optional<std::uint8_t> byte_written_as(std::uint32_t code_point) const {
    if (code_point < 256) {
      if (!stands_for_itself(code_point)) return std::nullopt;
      return static_cast<std::uint8_t>(code_point);
    }
    constexpr std::uint32_t kPrintable = 188;
    const std::uint32_t id = code_point - 256 + kPrintable;
    if (id >= byte_of.size()) return std::nullopt;
    return byte_of[id];
  }
};

inline constexpr ByteSymbols kByteSymbols;

}  // namespace bitmar::text_detail
