// The kernel table of ARM processors with dot products (Cortex-A55, A75, A76 and later).
#include "kernels/isa_tables.h"

#if defined(__aarch64__) && defined(__linux__)

#include <arm_neon.h>
#include <sys/auxv.h>

// In this order: each stands on those before it.
// clang-format off
#include "kernels/tile_packing.h"

#define BITMAR_TARGET __attribute__((target("arch=armv8.2-a+dotprod")))
#define BITMAR_VECTOR_BYTES 16
#define BITMAR_DOT_TOKENS 5

namespace bitmar::neon_dotprod {
#include "kernels/neon_lanes.h"
#include "kernels/quad_lanes.h"
#include "kernels/neon_digits.h"
#include "kernels/neon_dot_products.h"
#include "kernels/quad_dots.h"
#include "kernels/quad_linear.h"
#include "kernels/double_sums.h"
#include "kernels/lane_kernels.h"
#include "kernels/lane_products.h"
// clang-format on
}  // namespace bitmar::neon_dotprod

namespace bitmar {

const KernelTable* neon_dotprod_table() {
  static constexpr KernelTable kTable = [] {
    KernelTable table = neon_dotprod::lane_table("neon-dotprod");
    table.ternary_packed_bytes = ternary_packed_bytes<4>;
    table.ternary_pack = ternary_pack<4, 0x80>;
    table.int8_packed_bytes = int8_packed_bytes<16>;
    table.int8_pack = int8_pack<16, 0>;
    table.row_granule = 32;
    table.ternary_linear = neon_dotprod::ternary_linear;
    table.int8_linear = neon_dotprod::int8_linear;
    table.ternary_largest =
        largest_by_blocks<neon_dotprod::ternary_linear, neon_dotprod::index_of_max, ternary_packed_bytes<4>>;
    return table;
  }();
  return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0 ? &kTable : nullptr;
}

}  // namespace bitmar

#else

namespace bitmar {

const KernelTable* neon_dotprod_table() {
  return nullptr;
}

}  // namespace bitmar

#endif
