// The kernel table of AVX-512 with VNNI (Intel since Ice Lake, AMD since Zen 4).
#include "kernels/isa_tables.h"

#if defined(__x86_64__)

// GCC 12 takes the undefined operands inside its own AVX-512 intrinsics for ours (bug 105593).
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"

#include <immintrin.h>

// In this order: each stands on those before it.
// clang-format off
#include "kernels/tile_packing.h"
#include "kernels/avx512_lanes.h"

namespace bitmar::avx512 {
#include "kernels/double_sums.h"
#include "kernels/lane_kernels.h"
#include "kernels/lane_products.h"
#include "kernels/token_chunks.h"
#include "kernels/avx512_products.h"
// clang-format on
}  // namespace bitmar::avx512

namespace bitmar {

const KernelTable* avx512_table() {
  static constexpr KernelTable kTable = [] {
    KernelTable table = avx512::lane_table("avx512vnni");
    table.ternary_packed_bytes = ternary_packed_bytes<16>;
    table.ternary_pack = ternary_pack<16>;
    table.int8_packed_bytes = int8_packed_bytes<16>;
    table.int8_pack = int8_pack<16, 0x80>;
    table.key_flip = 0x80;
    table.row_granule = 64;
    table.ternary_linear = avx512::ternary_linear;
    table.int8_linear = avx512::int8_linear;
    table.ternary_largest = avx512::ternary_largest;
    return table;
  }();
  const bool runs = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                    __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                    __builtin_cpu_supports("avx512vnni");
  return runs ? &kTable : nullptr;
}

}  // namespace bitmar

#else

namespace bitmar {

const KernelTable* avx512_table() {
  return nullptr;
}

}  // namespace bitmar

#endif
