// UTF-8 validity of text that comes from a file.
#pragma once

#include <string_view>

namespace bitmar {

// Shortest forms only, no surrogates, nothing above U+10FFFF (RFC 3629).
[[nodiscard]] bool is_valid_utf8(std::string_view text);

}  // namespace bitmar
