// The kernel table of AVX-VNNI, 256-bit `vpdpbusd` without AVX-512 (Intel since Alder Lake, AMD since Zen 5).
// avx512vnni_256.cpp is the same code with the other encoding of that instruction: what the tests of one say holds for
// both.
#include "kernels/isa_tables.h"

#if defined(__x86_64__)

#include <cpuid.h>
#include <immintrin.h>

// In this order: each stands on those before it.
// clang-format off
#include "kernels/tile_packing.h"

#define BITMAR_TARGET __attribute__((target("avx2")))
#define BITMAR_VECTOR_BYTES 32
#define BITMAR_VPDPBUSD "%{vex%} vpdpbusd"

namespace bitmar::avxvnni {
#include "kernels/avx2_lanes.h"
#include "kernels/avx2_outputs.h"
#include "kernels/avxvnni_attention.h"
#include "kernels/double_sums.h"
#include "kernels/lane_kernels.h"
#include "kernels/lane_products.h"
#include "kernels/token_chunks.h"
#include "kernels/avxvnni_products.h"
// clang-format on
}  // namespace bitmar::avxvnni

namespace bitmar {
namespace {

// Not every compiler's __builtin_cpu_supports knows the name.
bool has_avx_vnni() {
  unsigned eax = 0;
  unsigned ebx = 0;
  unsigned ecx = 0;
  unsigned edx = 0;
  constexpr unsigned kAvxVnni = 1u << 4;
  return __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) != 0 && (eax & kAvxVnni) != 0;
}

}  // namespace

const KernelTable* avxvnni_table() {
  static constexpr KernelTable kTable = avxvnni::vnni_table("avxvnni");
  return __builtin_cpu_supports("avx2") && has_avx_vnni() ? &kTable : nullptr;
}

}  // namespace bitmar

#else

namespace bitmar {

const KernelTable* avxvnni_table() {
  return nullptr;
}

}  // namespace bitmar

#endif
