#include "apps/benchmark/machine.h"

#include <sys/utsname.h>

#include <fstream>
#include <string_view>
#include <thread>

namespace bitmar {
namespace {

// x86 says "model name"; ARM says at most "Hardware", and always its implementer and part.
std::string processor_name() {
  std::ifstream file("/proc/cpuinfo");
  std::string implementer;
  for (std::string line; std::getline(file, line);) {
    const auto colon = line.find(": ");
    if (colon == std::string::npos) continue;
    const std::string value = line.substr(colon + 2);
    if (line.starts_with("model name") || line.starts_with("Hardware")) return value;
    if (line.starts_with("CPU implementer")) implementer = value;
    if (line.starts_with("CPU part")) return "implementer " + implementer + ", part " + value;
  }
  return "unknown";
}

}  // namespace

Machine describe_machine() {
  Machine machine;
  machine.processor = processor_name();
  machine.cores = std::thread::hardware_concurrency();
  if (utsname name{}; ::uname(&name) == 0) {
    machine.system = std::string(name.sysname) + " " + name.release + " " + name.machine;
  }
#if defined(__clang__)
  machine.compiler = __VERSION__;
#else
  machine.compiler = "GCC " __VERSION__;
#endif
  machine.build = BITMAR_BUILD_TYPE;
  return machine;
}

}  // namespace bitmar
