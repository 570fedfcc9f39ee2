// UTF-8 as the Unicode Standard defines it (Table 3-7): no surrogates, no overlong forms, nothing above U+10FFFF.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace bitmar::text_detail {

enum class Utf8Kind {
  kComplete,    // one code point
  kIncomplete,  // the text ends inside a sequence that is right so far
  kInvalid,     // the longest start of a sequence that cannot be completed, at least one byte
};

struct Utf8Step {
  Utf8Kind kind;
  std::size_t length;        // bytes
  std::uint32_t code_point;  // of a complete sequence
};

// The first step of a text that is not empty.
[[nodiscard]] Utf8Step next_utf8(std::string_view text);

// Length in bytes of the longest start of the text that is complete valid UTF-8.
[[nodiscard]] std::size_t valid_utf8_length(std::string_view text);

}  // namespace bitmar::text_detail
