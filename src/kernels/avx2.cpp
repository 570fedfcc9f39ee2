// The kernel table of AVX2 (Intel since 2013, AMD since 2015).
#include "kernels/isa_tables.h"

#if defined(__x86_64__)

#include <immintrin.h>

// In this order: each stands on those before it.
// clang-format off
#include "kernels/tile_packing.h"

#define BITMAR_TARGET __attribute__((target("avx2")))
#define BITMAR_VECTOR_BYTES 32

namespace bitmar::avx2 {
#include "kernels/avx2_lanes.h"
#include "kernels/avx2_attention.h"
#include "kernels/avx2_outputs.h"
#include "kernels/double_sums.h"
#include "kernels/lane_kernels.h"
#include "kernels/lane_products.h"
#include "kernels/token_chunks.h"
#include "kernels/avx2_products.h"
// clang-format on
}  // namespace bitmar::avx2

namespace bitmar {

const KernelTable* avx2_table() {
  static constexpr KernelTable kTable = [] {
    KernelTable table = avx2::lane_table("avx2");
    table.ternary_packed_bytes = ternary_packed_bytes<8>;
    table.ternary_pack = ternary_pack<8>;
    table.int8_packed_bytes = int8_packed_bytes<16>;
    table.int8_pack = int8_pack<16, 0>;
    table.row_granule = 32;
    table.ternary_linear = avx2::ternary_linear;
    table.int8_linear = avx2::int8_linear;
    table.ternary_largest = largest_by_blocks<avx2::ternary_linear, avx2::index_of_max, ternary_packed_bytes<8>>;
    return table;
  }();
  return __builtin_cpu_supports("avx2") ? &kTable : nullptr;
}

}  // namespace bitmar

#else

namespace bitmar {

const KernelTable* avx2_table() {
  return nullptr;
}

}  // namespace bitmar

#endif
