// The time of something in the run that nothing disturbed.
#pragma once

#include <algorithm>
#include <chrono>
#include <limits>

namespace bitmar::bench {

// Seconds of the fastest of `runs` calls.
template <typename Run>
double best_seconds(int runs, const Run& run) {
  double best = std::numeric_limits<double>::infinity();
  for (int i = 0; i < runs; ++i) {
    const auto start = std::chrono::steady_clock::now();
    run();
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return best;
}

}  // namespace bitmar::bench
