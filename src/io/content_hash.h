// SHA-256 (FIPS 180-4): the identity of a file's contents. A memory snapshot names its model by it.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace bitmar {

// 64 lower-case hexadecimal digits.
[[nodiscard]] std::string content_hash(std::span<const std::byte> bytes);

}  // namespace bitmar
