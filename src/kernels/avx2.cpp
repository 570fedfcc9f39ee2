// The AVX2 + FMA kernel table (Intel since 2013, AMD since 2015).
#include "kernels/avx2_parts.h"
#include "kernels/isa_tables.h"

namespace bitmar {

#if defined(__x86_64__)

const KernelTable* avx2_table() {
  static constexpr KernelTable kTable{
      .name = "avx2",
      .ternary_packed_bytes = avx2::ternary_packed_bytes,
      .ternary_pack = avx2::ternary_pack,
      .int8_packed_bytes = avx2::int8_packed_bytes,
      .int8_pack = avx2::int8_pack,
      .float_packed_bytes = avx2::float_packed_bytes,
      .float_pack = avx2::float_pack,
      .row_granule = 32,
      .ternary_linear = avx2::ternary_linear,
      .int8_linear = avx2::int8_linear,
      .float_linear = avx2::float_linear,
      .quantize_row = avx2::quantize_row,
      .layer_norm_row = avx2::layer_norm_row,
      .gelu = avx2::gelu,
      .silu = avx2::silu,
      .relu = avx2::relu,
      .add = avx2::add,
      .multiply = avx2::multiply,
      .axpy = avx2::axpy,
      .dequantize = avx2::dequantize,
      .softmax = avx2::softmax,
      .dot = avx2::dot,
      .index_of_max = avx2::index_of_max,
      .attention_scores = avx2::attention_scores,
      .weighted_sum = avx2::weighted_sum,
      .rotate = avx2::rotate,
  };
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? &kTable : nullptr;
}

#else

const KernelTable* avx2_table() {
  return nullptr;
}

#endif

}  // namespace bitmar
