// What the processor's multiply units can do at most, measured: the yardstick beside every kernel's rate.
#pragma once

#include <optional>

namespace bitmar::bench {

struct Peak {
  double maddubs_gmacs;  // 8-bit multiply-adds (two products summed in 16 bits), 10^9 a second, one thread
  double fma_gmacs;      // FP32 fused multiply-adds
};

// Nothing where this is not x86-64 with AVX2 and FMA. Takes some tens of milliseconds.
[[nodiscard]] std::optional<Peak> measure_peak();

}  // namespace bitmar::bench
