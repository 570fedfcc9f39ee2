#include "base/resident_memory.h"

#include <algorithm>
#include <fstream>
#include <string>

namespace bitmar {

Result<ResidentMemory> resident_memory() {
  // getrusage's maximum is not asked: a forked process starts with its parent's.
  std::ifstream status("/proc/self/status");
  ResidentMemory memory;
  for (std::string line; std::getline(status, line);) {
    const auto kibibytes = [&line] { return std::stoull(line.substr(line.find(':') + 1)) * 1024; };
    if (line.starts_with("VmRSS:")) memory.current = kibibytes();
    if (line.starts_with("VmHWM:")) memory.peak = kibibytes();
  }
  if (memory.current == 0) return fail(ErrorCode::kUnsupported, "/proc/self/status has no VmRSS");
  memory.peak = std::max(memory.peak, memory.current);
  return memory;
}

}  // namespace bitmar
