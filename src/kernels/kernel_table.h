// The plain-data interface between the library and its instruction-set-specific files: one table of functions per
// instruction set. Only built-in types and pointers cross it, because such a file is compiled for instructions that
// the rest of the program must never execute: it includes intrinsics and this header, and keeps everything else static.
//
// Every function gives the same bits on every instruction set, with any number of threads and in any batch: integer
// sums are exact, and float code uses single IEEE operations (no fused multiply-add) in one fixed order, sums in 16
// lanes (element i in lane i mod 16, ascending; then lanes i and i + 8, i + 4, i + 2, i + 1 are added), those of norms
// in 64 (then lanes i and i + 32, i + 16 first).
#pragma once

#include <cstddef>
#include <cstdint>

namespace bitmar {

// Quantized activations of several tokens (docs/model.md, "BitLinear").
struct ActivationRows {
  const std::int8_t* codes;         // [tokens, stride]; zero from `columns` on; 32-byte aligned rows
  const float* inverse_scales;      // [tokens]: max|x| / 127
  const std::int16_t* column_sums;  // [tokens, sum_blocks(stride), 2]: see kSumColumns
  std::size_t tokens;
  std::size_t columns;
  std::size_t stride;  // columns rounded up to kColumnAlignment
};

// Rows of activation codes are padded with zeros to a multiple of this.
inline constexpr std::size_t kColumnAlignment = 32;

// For each block of this many columns (the last may be shorter), `column_sums` holds the sum of the codes whose column
// is 0 or 1 modulo 4, then of those whose column is 2 or 3 modulo 4: what kernels with unsigned weight codes
// (value + 1) must subtract.
inline constexpr std::size_t kSumColumns = 128;

// Blocks of kSumColumns in a row of `stride` codes.
constexpr std::size_t sum_blocks(std::size_t stride) {
  return (stride + kSumColumns - 1) / kSumColumns;
}

// A weight matrix in the layout that this table's pack function wrote.
struct PackedMatrix {
  const std::uint8_t* data;  // 64-byte aligned
  std::size_t rows;
  std::size_t columns;
  float scale;              // ternary: one scale a matrix
  const float* row_scales;  // int8: [rows]; else null
  const float* bias;        // [rows] or null
};

// Rows of one head in an attention cache, and the query that meets them. Rows stand in blocks of 16 for the products
// with keys and of 4 for those with values; rows of a block outside [begin, end) may hold anything finite. Scales are
// those of quantize_heads. key_width: width rounded up to a multiple of 4; value_width: to one of 16; zeros beyond
// width.
struct AttentionRange {
  const std::int8_t* query;   // [key_width]
  float query_scale;          // the query's own, times 1 / sqrt(width)
  const std::int8_t* keys;    // [rows / 16, key_width / 4, 16, 4], XORed with the table's key_flip, 64-byte aligned
  const float* key_scales;    // [rows]
  const std::int8_t* values;  // [rows / 4, value_width, 4], 64-byte aligned
  const float* value_scales;  // [rows]
  const float* biases;        // [rows] that are added to the scores; null: none
  std::size_t begin;
  std::size_t end;  // above begin
};

inline constexpr std::size_t kAttentionBlock = 16;

// The code, before it is rounded, of a head's largest element. Not 127: heads are often integers times one scale, and
// an element of exactly half the largest would then stand on a tie, which every computation in floats decides its own
// way.
inline constexpr float kHeadRange = 127.0f * (1.0f - 0x1p-12f);

inline constexpr float kLog2E = 1.44269504f;

// The lowest score, to the base of two and beside the largest, whose exponential is taken: below it, weights are far
// below their last bit, and products with small scales would become denormal, which processors compute slowly.
inline constexpr float kLowestScore = -64.0f;

// Attention weights are integers of 23 bits, as fine as a float beside the largest of them; sums over 65,536 rows fit.
inline constexpr std::int32_t kWeightLimit = 8388607;

struct KernelTable {
  const char* name;

  // Packed layouts. `codes`/`weights` are row-major [rows, columns]; `packed` has *_packed_bytes(rows, columns) bytes,
  // 64-byte aligned. Any rows and columns, 0 included.
  std::size_t (*ternary_packed_bytes)(std::size_t rows, std::size_t columns);
  void (*ternary_pack)(const std::int8_t* codes, std::size_t rows, std::size_t columns, std::uint8_t* packed);
  std::size_t (*int8_packed_bytes)(std::size_t rows, std::size_t columns);
  void (*int8_pack)(const std::int8_t* codes, std::size_t rows, std::size_t columns, std::uint8_t* packed);
  std::size_t (*float_packed_bytes)(std::size_t rows, std::size_t columns);
  void (*float_pack)(const float* weights, std::size_t rows, std::size_t columns, std::uint8_t* packed);

  // What is XORed into every stored key (0x80: keys are unsigned, code + 128).
  std::uint8_t key_flip;

  // Threads split a matrix at multiples of this many rows.
  std::size_t row_granule;

  // out[t, r] for r in [row_begin, row_end) and every token; out is [tokens, rows]. row_begin is a multiple of
  // row_granule, row_end too or equal to rows.
  //   ternary: float(int32 sum) * (scale * inverse_scales[t]) + bias[r]
  //   int8:    float(int32 sum) * (row_scales[r] * inverse_scales[t]) + bias[r]; codes within [-127, 127]
  //   float:   the sum over columns in ascending order, then + bias[r]; x is [tokens, columns]
  void (*ternary_linear)(const PackedMatrix* weights, const ActivationRows* x, std::size_t row_begin,
                         std::size_t row_end, float* out);
  void (*int8_linear)(const PackedMatrix* weights, const ActivationRows* x, std::size_t row_begin, std::size_t row_end,
                      float* out);
  void (*float_linear)(const PackedMatrix* weights, const float* x, std::size_t tokens, std::size_t row_begin,
                       std::size_t row_end, float* out);

  // The largest of ternary_linear's outputs in [row_begin, row_end), not empty, for one token and no bias, and the
  // lowest row that has it; the outputs are not stored.
  float (*ternary_largest)(const PackedMatrix* weights, const ActivationRows* x, std::size_t row_begin,
                           std::size_t row_end, std::size_t* row);

  // ActivationRows of x [rows, columns]: `stride` codes and 2 * sum_blocks(stride) sums a row.
  void (*quantize_rows)(const float* x, std::size_t rows, std::size_t columns, std::size_t stride, std::int8_t* codes,
                        float* inverse_scales, std::int16_t* column_sums);
  // Rows for attention: the same but for the range, kHeadRange, and without sums.
  void (*quantize_heads)(const float* x, std::size_t rows, std::size_t columns, std::size_t stride, std::int8_t* codes,
                         float* inverse_scales);

  // Float pieces on `count` elements; see ops.h for what each computes. `out` may equal an input, not overlap it.
  void (*layer_norm_row)(const float* x, const float* gain, const float* bias, float epsilon, std::size_t count,
                         float* out);
  void (*gelu)(const float* x, std::size_t count, float* out);
  void (*silu)(const float* x, std::size_t count, float* out);
  void (*relu)(const float* x, std::size_t count, float* out);
  void (*add)(const float* a, const float* b, std::size_t count, float* out);
  void (*multiply)(const float* a, const float* b, std::size_t count, float* out);
  void (*axpy)(float alpha, const float* x, std::size_t count, float* y);
  void (*dequantize)(const std::int8_t* codes, float scale, std::size_t count, float* out);
  void (*softmax)(float* values, std::size_t count);
  float (*dot)(const float* a, const float* b, std::size_t count);
  std::size_t (*index_of_max)(const float* values, std::size_t count);
  // The largest of each of 32 columns of values [rows, 32]; minus infinity where rows = 0.
  void (*column_maxima)(const float* values, std::size_t rows, float* maxima);
  // Floats a little above exp((x - largest) * rate), factor = rate * log2(e) * 2^23: the integer max((x - largest) *
  // factor + 127 * 2^23, 2^23) as the bits of a float (Schraudolph 1999). No x is above `largest`.
  void (*rough_exponentials)(const float* x, std::size_t count, float largest, float factor, float* out);
  // The sums of these over all x and over those not below `pivot`: in 32 lanes of floats, these in double, ascending;
  // then, one by one, what lies beyond the last multiple of 32.
  void (*rough_exponential_sums)(const float* x, std::size_t count, float largest, float factor, float pivot,
                                 double* all, double* not_below);
  // The same sums of 2^((x - largest) * factor) in double precision, relative error below 1e-12; in 16 lanes.
  void (*exponential_sums)(const float* x, std::size_t count, double largest, double factor, float pivot, double* all,
                           double* not_below);

  // One query's attention over cached rows of one head: out[j] = sum_i p_i value_i[j] with p the softmax of the scores
  // over all ranges together. Scores are exact integer products times their scales. The weights p_i * value_scale_i
  // are rounded to 23 bits of the largest, so that the sum over the values is an exact integer as well.
  // scratch: a float for each row of the ranges' blocks, 64-byte aligned. out: [width]. probabilities: p [end] of a
  // single range that begins at 0, or null.
  void (*attend)(const AttentionRange* ranges, std::size_t range_count, std::size_t width, float* scratch, float* out,
                 float* probabilities);

  // For each of `heads` rows of `head_width`: pairs (i, i + head_width / 2) turned by the angle of cosines[i],
  // sines[i].
  void (*rotate)(float* values, std::size_t heads, std::size_t head_width, const float* cosines, const float* sines);
};

}  // namespace bitmar
