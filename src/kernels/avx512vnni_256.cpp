// The kernel table of AVX-512 VNNI on vectors of 256 bits, for processors that lower their clock for longer ones. It is
// the code of avxvnni.cpp, compiled for AVX2 too, with the other encoding of its one instruction beyond that.
#include "kernels/isa_tables.h"

#if defined(__x86_64__)

#include <immintrin.h>

// In this order: each stands on those before it.
// clang-format off
#include "kernels/tile_packing.h"

#define BITMAR_TARGET __attribute__((target("avx2")))
#define BITMAR_VECTOR_BYTES 32
#define BITMAR_VPDPBUSD "%{evex%} vpdpbusd"

namespace bitmar::avx512vnni_256 {
#include "kernels/avx2_lanes.h"
#include "kernels/avx2_outputs.h"
#include "kernels/avxvnni_attention.h"
#include "kernels/double_sums.h"
#include "kernels/lane_kernels.h"
#include "kernels/lane_products.h"
#include "kernels/token_chunks.h"
#include "kernels/avxvnni_products.h"
// clang-format on
}  // namespace bitmar::avx512vnni_256

namespace bitmar {

const KernelTable* avx512vnni_256_table() {
  static constexpr KernelTable kTable = avx512vnni_256::vnni_table("avx512vnni-256");
  const bool runs = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("avx512f") &&
                    __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni");
  return runs ? &kTable : nullptr;
}

}  // namespace bitmar

#else

namespace bitmar {

const KernelTable* avx512vnni_256_table() {
  return nullptr;
}

}  // namespace bitmar

#endif
