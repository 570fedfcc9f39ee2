// For the files that measure a processor family's peaks: every loop runs kRounds rounds of kInstructions independent
// instructions, more than latency times throughput.
#pragma once

#include <string_view>

#include "best_of.h"
#include "peak.h"

namespace bitmar::bench {

inline constexpr long kRounds = 20000;
inline constexpr double kInstructions = 12;

// `run`: the loop. `lanes`: multiply-adds of one instruction; where two make one, half of it.
inline Peak measure_peak(std::string_view instruction, void (*run)(), double lanes) {
  return {instruction, static_cast<double>(kRounds) * kInstructions * lanes / best_seconds(200, run) / 1e9};
}

}  // namespace bitmar::bench
