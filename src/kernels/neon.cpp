// The kernel table of plain ARMv8-A.
#include "kernels/isa_tables.h"

#if defined(__aarch64__)

#include <arm_neon.h>

// In this order: each stands on those before it.
// clang-format off
#include "kernels/tile_packing.h"

#define BITMAR_TARGET

namespace bitmar::neon {
#include "kernels/neon_lanes.h"
#include "kernels/quad_lanes.h"
#include "kernels/neon_digits.h"
#include "kernels/neon_products.h"
#include "kernels/quad_dots.h"
#include "kernels/quad_linear.h"
#include "kernels/lane_kernels.h"
#include "kernels/lane_products.h"
// clang-format on
}  // namespace bitmar::neon

namespace bitmar {

const KernelTable* neon_table() {
  static constexpr KernelTable kTable{
      .name = "neon",
      .ternary_packed_bytes = ternary_packed_bytes<4>,
      .ternary_pack = ternary_pack<4>,
      .int8_packed_bytes = int8_packed_bytes<16>,
      .int8_pack = int8_pack<16, 0>,
      .float_packed_bytes = float_packed_bytes,
      .float_pack = float_pack,
      .row_granule = 32,
      .ternary_linear = neon::ternary_linear,
      .int8_linear = neon::int8_linear,
      .float_linear = neon::float_linear,
      .ternary_largest = largest_by_blocks<neon::ternary_linear, neon::index_of_max, ternary_packed_bytes<4>>,
      .quantize_rows = neon::quantize_rows,
      .quantize_heads = neon::quantize_heads,
      .layer_norm_row = neon::layer_norm_row,
      .gelu = neon::gelu,
      .silu = neon::silu,
      .relu = neon::relu,
      .add = neon::add_rows,
      .multiply = neon::multiply_rows,
      .axpy = neon::axpy,
      .dequantize = neon::dequantize,
      .softmax = neon::softmax,
      .dot = neon::dot,
      .index_of_max = neon::index_of_max,
      .attend = neon::attend,
      .rotate = neon::rotate,
  };
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
