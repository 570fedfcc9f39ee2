#include "peak.h"

namespace bitmar::bench {

double Peaks::gmacs(std::string_view instruction) const {
  for (const Peak& peak : all) {
    if (peak.instruction == instruction) return peak.gmacs;
  }
  return 0;
}

Units units_of(std::string_view kernels) {
  if (kernels == "avx512vnni") return {"vpdpbusd zmm", "mul+add zmm"};
  if (kernels == "avxvnni" || kernels == "avx512vnni-256") return {"vpdpbusd ymm", "mul+add ymm"};
  if (kernels == "avx2") return {"maddubs ymm", "mul+add ymm"};
  if (kernels == "neon-i8mm") return {"smmla", "fmul+fadd"};
  if (kernels == "neon-dotprod") return {"sdot", "fmul+fadd"};
  if (kernels == "neon") return {"smlal", "fmul+fadd"};
  return {};  // scalar, wasm: the compiler chooses
}

#if !defined(__x86_64__) && !defined(__aarch64__)
Peaks measure_peaks() {
  return {};
}
#endif

}  // namespace bitmar::bench
