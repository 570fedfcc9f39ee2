// The machine and the build that numbers belong to.
#pragma once

#include <string>

namespace bitmar {

struct Machine {
  std::string processor;
  std::size_t cores = 0;  // that this process may use
  std::string system;     // name, release, architecture
  std::string compiler;
  std::string build;  // CMake's build type, and "sanitized"
};

[[nodiscard]] Machine describe_machine();

}  // namespace bitmar
