// The kernel table of WebAssembly with SIMD128.
#include "kernels/isa_tables.h"

#if defined(__wasm_simd128__)

#include <wasm_simd128.h>

// In this order: each stands on those before it.
// clang-format off
#include "kernels/tile_packing.h"

#define BITMAR_TARGET

namespace bitmar::wasm {
#include "kernels/wasm_lanes.h"
#include "kernels/quad_lanes.h"
#include "kernels/wasm_products.h"
#include "kernels/quad_dots.h"
#include "kernels/quad_linear.h"
#include "kernels/lane_kernels.h"
#include "kernels/lane_products.h"
// clang-format on
}  // namespace bitmar::wasm

namespace bitmar {

const KernelTable* wasm_table() {
  static constexpr KernelTable kTable{
      .name = "wasm",
      .ternary_packed_bytes = ternary_packed_bytes<4>,
      .ternary_pack = ternary_pack<4>,
      .int8_packed_bytes = int8_packed_bytes<16>,
      .int8_pack = int8_pack<16, 0>,
      .float_packed_bytes = float_packed_bytes,
      .float_pack = float_pack,
      .row_granule = 32,
      .ternary_linear = wasm::ternary_linear,
      .int8_linear = wasm::int8_linear,
      .float_linear = wasm::float_linear,
      .ternary_largest = largest_by_blocks<wasm::ternary_linear, wasm::index_of_max, ternary_packed_bytes<4>>,
      .quantize_rows = wasm::quantize_rows,
      .quantize_heads = wasm::quantize_heads,
      .layer_norm_row = wasm::layer_norm_row,
      .gelu = wasm::gelu,
      .silu = wasm::silu,
      .relu = wasm::relu,
      .add = wasm::add_rows,
      .multiply = wasm::multiply_rows,
      .axpy = wasm::axpy,
      .dequantize = wasm::dequantize,
      .softmax = wasm::softmax,
      .dot = wasm::dot,
      .index_of_max = wasm::index_of_max,
      .attend = wasm::attend,
      .rotate = wasm::rotate,
  };
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
