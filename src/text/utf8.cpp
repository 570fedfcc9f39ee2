#include "text/utf8.h"

#include <cassert>
#include <cstring>

namespace bitmar::text_detail {
namespace {

// What a lead byte asks for: how many bytes in all, and the range of the second one.
struct Lead {
  std::size_t length;
  std::uint8_t second_low;
  std::uint8_t second_high;
};

Lead classify(std::uint8_t byte) {
  if (byte < 0x80) return {1, 0, 0};
  if (byte < 0xC2) return {0, 0, 0};  // a continuation, or overlong
  if (byte < 0xE0) return {2, 0x80, 0xBF};
  if (byte < 0xF0) {
    if (byte == 0xE0) return {3, 0xA0, 0xBF};  // less would be overlong
    if (byte == 0xED) return {3, 0x80, 0x9F};  // more would be a surrogate
    return {3, 0x80, 0xBF};
  }
  if (byte == 0xF0) return {4, 0x90, 0xBF};  // less would be overlong
  if (byte < 0xF4) return {4, 0x80, 0xBF};
  if (byte == 0xF4) return {4, 0x80, 0x8F};  // more would exceed U+10FFFF
  return {0, 0, 0};
}

}  // namespace

Utf8Step next_utf8(std::string_view text) {
  assert(!text.empty());
  const auto first = static_cast<std::uint8_t>(text[0]);
  const Lead lead = classify(first);
  if (lead.length == 0) return {Utf8Kind::kInvalid, 1, 0};
  if (lead.length == 1) return {Utf8Kind::kComplete, 1, first};
  std::uint32_t code_point = first & (0x7Fu >> lead.length);
  for (std::size_t i = 1; i < lead.length; ++i) {
    if (i == text.size()) return {Utf8Kind::kIncomplete, i, 0};
    const auto byte = static_cast<std::uint8_t>(text[i]);
    const std::uint8_t low = i == 1 ? lead.second_low : 0x80;
    const std::uint8_t high = i == 1 ? lead.second_high : 0xBF;
    if (byte < low || byte > high) return {Utf8Kind::kInvalid, i, 0};
    code_point = (code_point << 6) | (byte & 0x3Fu);
  }
  return {Utf8Kind::kComplete, lead.length, code_point};
}

std::size_t valid_utf8_length(std::string_view text) {
  std::size_t position = 0;
  while (position < text.size()) {
    std::uint64_t eight = 0;
    while (position + sizeof(eight) <= text.size()) {
      std::memcpy(&eight, text.data() + position, sizeof(eight));
      if ((eight & 0x8080808080808080u) != 0) break;
      position += sizeof(eight);
    }
    if (position == text.size()) break;
    const Utf8Step step = next_utf8(text.substr(position));
    if (step.kind != Utf8Kind::kComplete) break;
    position += step.length;
  }
  return position;
}

}  // namespace bitmar::text_detail
