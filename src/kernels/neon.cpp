// The kernel table of plain ARMv8-A.
#include "kernels/isa_tables.h"

#if defined(__aarch64__)

#include <arm_neon.h>

// In this order: each stands on those before it.
// clang-format off
#include "kernels/tile_packing.h"

#define BITMAR_TARGET
#define BITMAR_VECTOR_BYTES 16

namespace bitmar::neon {
#include "kernels/neon_lanes.h"
#include "kernels/quad_lanes.h"
#include "kernels/neon_digits.h"
#include "kernels/neon_products.h"
#include "kernels/quad_dots.h"
#include "kernels/quad_linear.h"
#include "kernels/double_sums.h"
#include "kernels/lane_kernels.h"
#include "kernels/lane_products.h"
// clang-format on
}  // namespace bitmar::neon

namespace bitmar {

const KernelTable* neon_table() {
  static constexpr KernelTable kTable = [] {
    KernelTable table = neon::lane_table("neon");
    table.ternary_packed_bytes = ternary_packed_bytes<4>;
    table.ternary_pack = ternary_pack<4>;
    table.int8_packed_bytes = int8_packed_bytes<16>;
    table.int8_pack = int8_pack<16, 0>;
    table.row_granule = 32;
    table.ternary_linear = neon::ternary_linear;
    table.int8_linear = neon::int8_linear;
    table.ternary_largest = largest_by_blocks<neon::ternary_linear, neon::index_of_max, ternary_packed_bytes<4>>;
    return table;
  }();
  return &kTable;
}

}  // namespace bitmar

#else

namespace bitmar {

const KernelTable* neon_table() {
  return nullptr;
}

}  // namespace bitmar

#endif
