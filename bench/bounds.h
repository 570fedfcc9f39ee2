// What one thread can do at most on this processor, measured once a run: multiply units and caches.
#pragma once

#include <string>
#include <vector>

#include "bandwidth.h"
#include "peak.h"

namespace bitmar::bench {

struct Bounds {
  Peaks peaks;
  std::vector<CacheLevel> levels;
};

// About a second.
[[nodiscard]] Bounds measure_bounds();

// One line each, for a report's head.
[[nodiscard]] std::string describe(const Bounds& bounds);

}  // namespace bitmar::bench
