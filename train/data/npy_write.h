// Writes a one-dimensional .npy of integers in one go, atomically.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "base/result.h"

namespace bitmar {

[[nodiscard]] Result<void> write_npy(const std::string& path, std::span<const std::uint16_t> values);
[[nodiscard]] Result<void> write_npy(const std::string& path, std::span<const std::uint64_t> values);

}  // namespace bitmar
