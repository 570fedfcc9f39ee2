#include "bounds.h"

#include <fmt/format.h>

namespace bitmar::bench {

Bounds measure_bounds() {
  return {measure_peaks(), measure_bandwidth()};
}

std::string describe(const Bounds& bounds) {
  std::string text = "peaks of one thread, GMAC/s:";
  for (const Peak& peak : bounds.peaks.all) text += fmt::format("  {} {:.1f}", peak.instruction, peak.gmacs);
  text += "\nreads of one thread, GB/s:";
  for (const CacheLevel& level : bounds.levels) {
    text += fmt::format("  {} {:.1f}", level.name, level.gigabytes_per_second);
  }
  return text + "\n";
}

}  // namespace bitmar::bench
