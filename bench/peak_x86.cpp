#if defined(__x86_64__)

#include "peak_loop.h"

namespace bitmar::bench {
namespace {

#define BITMAR_CLOBBERS \
  "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm14", "xmm15"
#define BITMAR_TWELVE(m) m(0) m(1) m(2) m(3) m(4) m(5) m(6) m(7) m(8) m(9) m(10) m(11)
// In pairs: some processors with two 256-bit units of each kind lose a quarter of the 512-bit rate when they alternate.
#define BITMAR_PAIRS(m, n) m(0) m(1) n(2) n(3) m(4) m(5) n(6) n(7) m(8) m(9) n(10) n(11)
#define BITMAR_LOOP(instructions) \
  long rounds = kRounds;          \
  asm volatile("vzeroall\n1:\n" instructions "dec %0\njnz 1b\nvzeroupper\n" : "+r"(rounds) : : BITMAR_CLOBBERS)

#define BITMAR_VPDPBUSD_ZMM(i) "vpdpbusd %%zmm14, %%zmm15, %%zmm" #i "\n"
#define BITMAR_VPDPBUSD_YMM(i) "%{evex%} vpdpbusd %%ymm14, %%ymm15, %%ymm" #i "\n"
#define BITMAR_VPDPBUSD_VEX(i) "%{vex%} vpdpbusd %%ymm14, %%ymm15, %%ymm" #i "\n"
#define BITMAR_MADDUBS(i) "vpmaddubsw %%ymm14, %%ymm15, %%ymm" #i "\n"
#define BITMAR_FMA_ZMM(i) "vfmadd231ps %%zmm14, %%zmm15, %%zmm" #i "\n"
#define BITMAR_FMA_YMM(i) "vfmadd231ps %%ymm14, %%ymm15, %%ymm" #i "\n"
#define BITMAR_MULTIPLY_ZMM(i) "vmulps %%zmm14, %%zmm15, %%zmm" #i "\n"
#define BITMAR_MULTIPLY_YMM(i) "vmulps %%ymm14, %%ymm15, %%ymm" #i "\n"
#define BITMAR_ADD_ZMM(i) "vaddps %%zmm14, %%zmm" #i ", %%zmm" #i "\n"
#define BITMAR_ADD_YMM(i) "vaddps %%ymm14, %%ymm" #i ", %%ymm" #i "\n"

void run_vpdpbusd_zmm() {
  BITMAR_LOOP(BITMAR_TWELVE(BITMAR_VPDPBUSD_ZMM));
}
void run_vpdpbusd_ymm() {
  BITMAR_LOOP(BITMAR_TWELVE(BITMAR_VPDPBUSD_YMM));
}
void run_vpdpbusd_vex() {
  BITMAR_LOOP(BITMAR_TWELVE(BITMAR_VPDPBUSD_VEX));
}
void run_maddubs() {
  BITMAR_LOOP(BITMAR_TWELVE(BITMAR_MADDUBS));
}
void run_fma_zmm() {
  BITMAR_LOOP(BITMAR_TWELVE(BITMAR_FMA_ZMM));
}
void run_fma_ymm() {
  BITMAR_LOOP(BITMAR_TWELVE(BITMAR_FMA_YMM));
}
void run_multiply_add_zmm() {
  BITMAR_LOOP(BITMAR_PAIRS(BITMAR_MULTIPLY_ZMM, BITMAR_ADD_ZMM));
}
void run_multiply_add_ymm() {
  BITMAR_LOOP(BITMAR_PAIRS(BITMAR_MULTIPLY_YMM, BITMAR_ADD_YMM));
}

}  // namespace

Peaks measure_peaks() {
  Peaks peaks;
  if (__builtin_cpu_supports("avx512vnni")) {
    peaks.all.push_back(measure_peak("vpdpbusd zmm", run_vpdpbusd_zmm, 64));
    if (__builtin_cpu_supports("avx512vl")) peaks.all.push_back(measure_peak("vpdpbusd ymm", run_vpdpbusd_ymm, 32));
  }
  if (peaks.gmacs("vpdpbusd ymm") == 0 && __builtin_cpu_supports("avxvnni")) {
    peaks.all.push_back(measure_peak("vpdpbusd ymm", run_vpdpbusd_vex, 32));
  }
  if (__builtin_cpu_supports("avx2")) peaks.all.push_back(measure_peak("maddubs ymm", run_maddubs, 32));
  if (__builtin_cpu_supports("avx512f")) {
    peaks.all.push_back(measure_peak("fma zmm", run_fma_zmm, 16));
    peaks.all.push_back(measure_peak("mul+add zmm", run_multiply_add_zmm, 8));
  }
  if (__builtin_cpu_supports("fma")) peaks.all.push_back(measure_peak("fma ymm", run_fma_ymm, 8));
  if (__builtin_cpu_supports("avx")) peaks.all.push_back(measure_peak("mul+add ymm", run_multiply_add_ymm, 4));
  return peaks;
}

}  // namespace bitmar::bench

#endif
