// How much memory this process holds.
#pragma once

#include <cstdint>

#include "base/result.h"

namespace bitmar {

// Bytes in RAM: heap, stacks, and what is touched of mapped files, the program and its libraries.
struct ResidentMemory {
  std::uint64_t current = 0;
  std::uint64_t peak = 0;  // since the process began
};

// kUnsupported where the system does not say.
[[nodiscard]] Result<ResidentMemory> resident_memory();

}  // namespace bitmar
