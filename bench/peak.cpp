#include "peak.h"

#include <algorithm>
#include <chrono>

namespace bitmar::bench {

#if defined(__x86_64__)

namespace {

constexpr long kRounds = 20000;
constexpr double kInstructions = 12;  // independent ones a round: more than latency times throughput

#define BITMAR_CLOBBERS \
  "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm14", "xmm15"
#define BITMAR_TWELVE(m) m(0) m(1) m(2) m(3) m(4) m(5) m(6) m(7) m(8) m(9) m(10) m(11)
#define BITMAR_MADDUBS(i) "vpmaddubsw %%ymm14, %%ymm15, %%ymm" #i "\n"
#define BITMAR_FMA(i) "vfmadd231ps %%ymm14, %%ymm15, %%ymm" #i "\n"
#define BITMAR_LOOP(m)   \
  long rounds = kRounds; \
  asm volatile("vzeroall\n1:\n" BITMAR_TWELVE(m) "dec %0\njnz 1b\nvzeroupper\n" : "+r"(rounds) : : BITMAR_CLOBBERS)

void run_maddubs() {
  BITMAR_LOOP(BITMAR_MADDUBS);
}
void run_fma() {
  BITMAR_LOOP(BITMAR_FMA);
}

// Multiply-adds a second, in 10^9; the best of many short runs, the ones that nothing interrupted.
double rate(void (*run)(), double lanes) {
  double best = 1e9;
  for (int i = 0; i < 200; ++i) {
    const auto start = std::chrono::steady_clock::now();
    run();
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return static_cast<double>(kRounds) * kInstructions * lanes / best / 1e9;
}

}  // namespace

std::optional<Peak> measure_peak() {
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return std::nullopt;
  return Peak{rate(run_maddubs, 32), rate(run_fma, 8)};
}

#else

std::optional<Peak> measure_peak() {
  return std::nullopt;
}

#endif

}  // namespace bitmar::bench
