// The kernel table of AVX2 (Intel since 2013, AMD since 2015).
#include "kernels/isa_tables.h"

#if defined(__x86_64__)

#include <immintrin.h>

// In this order: each stands on those before it.
// clang-format off
#include "kernels/tile_packing.h"
#include "kernels/avx2_lanes.h"
#include "kernels/avx2_products.h"

namespace bitmar::avx2 {
#include "kernels/lane_kernels.h"
#include "kernels/lane_products.h"
// clang-format on
}  // namespace bitmar::avx2

namespace bitmar {

const KernelTable* avx2_table() {
  static constexpr KernelTable kTable{
      .name = "avx2",
      .ternary_packed_bytes = ternary_packed_bytes<8>,
      .ternary_pack = ternary_pack<8>,
      .int8_packed_bytes = int8_packed_bytes<16>,
      .int8_pack = int8_pack<16, 0>,
      .float_packed_bytes = float_packed_bytes,
      .float_pack = float_pack,
      .row_granule = 32,
      .ternary_linear = avx2::ternary_linear,
      .int8_linear = avx2::int8_linear,
      .float_linear = avx2::float_linear,
      .ternary_largest = largest_by_blocks<avx2::ternary_linear, avx2::index_of_max, ternary_packed_bytes<8>>,
      .quantize_rows = avx2::quantize_rows,
      .quantize_heads = avx2::quantize_heads,
      .layer_norm_row = avx2::layer_norm_row,
      .gelu = avx2::gelu,
      .silu = avx2::silu,
      .relu = avx2::relu,
      .add = avx2::add_rows,
      .multiply = avx2::multiply_rows,
      .axpy = avx2::axpy,
      .dequantize = avx2::dequantize,
      .softmax = avx2::softmax,
      .dot = avx2::dot,
      .index_of_max = avx2::index_of_max,
      .attend = avx2::attend,
      .rotate = avx2::rotate,
  };
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
