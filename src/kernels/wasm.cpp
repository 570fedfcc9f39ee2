// The kernel table of WebAssembly with SIMD128.
#include "kernels/isa_tables.h"

#if defined(__wasm_simd128__)

#include <wasm_simd128.h>

// In this order: each stands on those before it.
// clang-format off
#include "kernels/tile_packing.h"

#define BITMAR_TARGET
#define BITMAR_VECTOR_BYTES 16

namespace bitmar::wasm {
#include "kernels/wasm_lanes.h"
#include "kernels/quad_lanes.h"
#include "kernels/wasm_products.h"
#include "kernels/quad_dots.h"
#include "kernels/quad_linear.h"
#include "kernels/double_sums.h"
#include "kernels/lane_kernels.h"
#include "kernels/lane_products.h"
// clang-format on
}  // namespace bitmar::wasm

namespace bitmar {

const KernelTable* wasm_table() {
  static constexpr KernelTable kTable = [] {
    KernelTable table = wasm::lane_table("wasm");
    table.ternary_packed_bytes = ternary_packed_bytes<4>;
    table.ternary_pack = ternary_pack<4>;
    table.int8_packed_bytes = int8_packed_bytes<16>;
    table.int8_pack = int8_pack<16, 0>;
    table.row_granule = 32;
    table.ternary_linear = wasm::ternary_linear;
    table.int8_linear = wasm::int8_linear;
    table.ternary_largest = largest_by_blocks<wasm::ternary_linear, wasm::index_of_max, ternary_packed_bytes<4>>;
    return table;
  }();
  return &kTable;
}

}  // namespace bitmar

#else

namespace bitmar {

const KernelTable* wasm_table() {
  return nullptr;
}

}  // namespace bitmar

#endif
