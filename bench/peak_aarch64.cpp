#if defined(__aarch64__)

#include <asm/hwcap.h>
#include <sys/auxv.h>

#include "peak_loop.h"

namespace bitmar::bench {
namespace {

#define BITMAR_CLOBBERS "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v16", "v17", "v18", "v19", "v30", "v31", "cc"
#define BITMAR_TWELVE(m) m(0) m(1) m(2) m(3) m(4) m(5) m(6) m(7) m(16) m(17) m(18) m(19)
#define BITMAR_PAIRS(m, n) m(0) m(1) n(2) n(3) m(4) m(5) n(6) n(7) m(16) m(17) n(18) n(19)
#define BITMAR_LOOP(instructions)                                                                    \
  long rounds = kRounds;                                                                             \
  asm volatile(".arch armv8.2-a+dotprod+i8mm\nmovi v30.16b, #0\nmovi v31.16b, #0\n1:\n" instructions \
               "subs %0, %0, #1\nb.ne 1b\n"                                                          \
               : "+r"(rounds)                                                                        \
               :                                                                                     \
               : BITMAR_CLOBBERS)

#define BITMAR_SMMLA(i) "smmla v" #i ".4s, v30.16b, v31.16b\n"
#define BITMAR_SDOT(i) "sdot v" #i ".4s, v30.16b, v31.16b\n"
#define BITMAR_SMLAL(i) "smlal v" #i ".8h, v30.8b, v31.8b\n"
#define BITMAR_FMLA(i) "fmla v" #i ".4s, v30.4s, v31.4s\n"
#define BITMAR_MULTIPLY(i) "fmul v" #i ".4s, v30.4s, v31.4s\n"
#define BITMAR_ADD(i) "fadd v" #i ".4s, v" #i ".4s, v30.4s\n"

void run_smmla() {
  BITMAR_LOOP(BITMAR_TWELVE(BITMAR_SMMLA));
}
void run_sdot() {
  BITMAR_LOOP(BITMAR_TWELVE(BITMAR_SDOT));
}
void run_smlal() {
  BITMAR_LOOP(BITMAR_TWELVE(BITMAR_SMLAL));
}
void run_fmla() {
  BITMAR_LOOP(BITMAR_TWELVE(BITMAR_FMLA));
}
void run_multiply_add() {
  BITMAR_LOOP(BITMAR_PAIRS(BITMAR_MULTIPLY, BITMAR_ADD));
}

}  // namespace

Peaks measure_peaks() {
  Peaks peaks;
  if ((::getauxval(AT_HWCAP2) & HWCAP2_I8MM) != 0) peaks.all.push_back(measure_peak("smmla", run_smmla, 32));
  if ((::getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0) peaks.all.push_back(measure_peak("sdot", run_sdot, 16));
  peaks.all.push_back(measure_peak("smlal", run_smlal, 8));
  peaks.all.push_back(measure_peak("fmla", run_fmla, 4));
  peaks.all.push_back(measure_peak("fmul+fadd", run_multiply_add, 2));
  return peaks;
}

}  // namespace bitmar::bench

#endif
