// What reader and writer of GGUF agree on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <variant>
#include <vector>

#include "io/gguf.h"

namespace bitmar::gguf {

inline constexpr std::uint32_t kMagic = 0x46554747;  // "GGUF"
inline constexpr std::uint32_t kVersion = 3;
inline constexpr std::uint32_t kDefaultAlignment = 32;
inline constexpr std::uint64_t kMaximumKeyBytes = 65535;
inline constexpr std::uint64_t kMaximumNameBytes = 64;
inline constexpr std::uint32_t kMaximumDimensions = 4;

inline constexpr const char* kArchitectureKey = "general.architecture";
inline constexpr const char* kAlignmentKey = "general.alignment";

// The file's number for a value's type. GgufValue lists the scalars in the order of these numbers.
inline constexpr std::uint32_t kStringType = 8;
inline constexpr std::uint32_t kArrayType = 9;
inline constexpr std::uint32_t kTypeCount = 13;
inline constexpr std::size_t kScalarTypes = 12;  // the alternatives of GgufValue before the first array

[[nodiscard]] constexpr std::uint32_t scalar_type_number(std::size_t alternative) {
  return static_cast<std::uint32_t>(alternative < kArrayType ? alternative : alternative + 1);
}

}  // namespace bitmar::gguf
