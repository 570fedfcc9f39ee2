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
#include "kernels/avx512_products.h"

namespace bitmar::avx512 {
#include "kernels/lane_kernels.h"
#include "kernels/lane_products.h"
// clang-format on
}  // namespace bitmar::avx512

namespace bitmar {

const KernelTable* avx512_table() {
  static constexpr KernelTable kTable{
      .name = "avx512vnni",
      .ternary_packed_bytes = ternary_packed_bytes<16>,
      .ternary_pack = ternary_pack<16>,
      .int8_packed_bytes = int8_packed_bytes<16>,
      .int8_pack = int8_pack<16, 0x80>,
      .float_packed_bytes = float_packed_bytes,
      .float_pack = float_pack,
      .row_granule = 64,
      .ternary_linear = avx512::ternary_linear,
      .int8_linear = avx512::int8_linear,
      .float_linear = avx512::float_linear,
      .ternary_largest = avx512::ternary_largest,
      .quantize_rows = avx512::quantize_rows,
      .quantize_heads = avx512::quantize_heads,
      .layer_norm_row = avx512::layer_norm_row,
      .gelu = avx512::gelu,
      .silu = avx512::silu,
      .relu = avx512::relu,
      .add = avx512::add_rows,
      .multiply = avx512::multiply_rows,
      .axpy = avx512::axpy,
      .dequantize = avx512::dequantize,
      .softmax = avx512::softmax,
      .dot = avx512::dot,
      .index_of_max = avx512::index_of_max,
      .attend = avx512::attend,
      .rotate = avx512::rotate,
  };
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
