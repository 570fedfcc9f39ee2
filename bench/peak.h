// What one thread of this processor can do at most, measured: the yardstick beside every kernel's rate. The peaks run a
// vector instruction on independent registers and touch no memory.
//
//   const Peaks peaks = measure_peaks();
//   peaks.gmacs("vpdpbusd zmm")                  // 0: this processor has no such instruction
//   peaks.gmacs(units_of("avx2").integer)        // what the avx2 table's integer products are measured by
#pragma once

#include <string_view>
#include <vector>

namespace bitmar::bench {

struct Peak {
  std::string_view instruction;
  double gmacs;  // multiply-adds, 10^9 a second
};

struct Peaks {
  std::vector<Peak> all;
  [[nodiscard]] double gmacs(std::string_view instruction) const;
};

// Every instruction here that this processor has; some tens of milliseconds. None on other processors than x86-64 and
// 64-bit ARM.
[[nodiscard]] Peaks measure_peaks();

// The instructions that bound a table of kernels; empty where none is known. Float products do not fuse: their bound is
// a multiplication and an addition.
struct Units {
  std::string_view integer;
  std::string_view floating;
};
[[nodiscard]] Units units_of(std::string_view kernels);

}  // namespace bitmar::bench
