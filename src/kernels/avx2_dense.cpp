// Int8 and FP32 products on AVX2.
//
// Int8 layout: panels of 8 rows; in a panel, groups of 4 columns of 32 bytes, byte 4 * lane + j as for ternary.
// `maddubs` saturates where two products exceed 16 bits, so the weights go in by magnitude and the activations carry
// the sign: 2 * 127 * 127 = 32258 fits, and the sums are exact.
//
// FP32 layout: panels of 16 rows, [panel, column, 16]. Each output is one chain of fused multiply-adds over ascending
// columns; between blocks of columns it waits in the output's own memory.
#include "kernels/avx2_parts.h"

#if defined(__x86_64__)

namespace bitmar::avx2 {
namespace {

constexpr std::size_t kInt8Panel = 8;
constexpr std::size_t kInt8Rows = 16;  // two panels at a time
constexpr std::size_t kInt8Tokens = 4;
constexpr std::size_t kGroupBytes = 32;

constexpr std::size_t kFloatPanel = 16;
constexpr std::size_t kFloatTokens = 6;
constexpr std::size_t kFloatPanels = 4;          // side by side, for a single token
constexpr std::size_t kFloatBlockColumns = 256;  // a panel's block is then 16 KiB, half of the first cache

std::size_t round_up(std::size_t count, std::size_t multiple) {
  return (count + multiple - 1) / multiple * multiple;
}

struct Int8Job {
  const PackedMatrix* weights;
  const ActivationRows* x;
  std::size_t row_end;
  float* out;  // [tokens, rows]
};

BITMAR_AVX2 inline void store_int8_rows(const Int8Job& job, std::size_t token, std::size_t row, __m256i sums) {
  if (row >= job.row_end) return;
  const std::size_t count = job.row_end - row;
  const __m256 inverse = _mm256_set1_ps(job.x->inverse_scales[token]);
  const __m256 scale = _mm256_mul_ps(load_lanes(job.weights->row_scales + row, count), inverse);
  __m256 result = _mm256_mul_ps(_mm256_cvtepi32_ps(sums), scale);
  if (job.weights->bias != nullptr) result = _mm256_add_ps(result, load_lanes(job.weights->bias + row, count));
  store_lanes(job.out + token * job.weights->rows + row, count, result);
}

template <std::size_t kTokens>
BITMAR_AVX2 void int8_rows_times_tokens(const Int8Job& job, std::size_t row, std::size_t token) {
  const std::size_t stride = job.x->stride;
  const std::uint8_t* panel = job.weights->data + row * stride;
  const std::int8_t* x = job.x->codes + token * stride;
  const __m256i ones = _mm256_set1_epi16(1);
  __m256i sums[kTokens][2];
#pragma GCC unroll 4
  for (std::size_t t = 0; t < kTokens; ++t) sums[t][0] = sums[t][1] = _mm256_setzero_si256();
  for (std::size_t c = 0; c < stride; c += 4) {
    const std::uint8_t* group = panel + c / 4 * kGroupBytes;
    const __m256i w0 = _mm256_load_si256(reinterpret_cast<const __m256i*>(group));
    const __m256i w1 = _mm256_load_si256(reinterpret_cast<const __m256i*>(group + kInt8Panel * stride));
    const __m256i magnitude0 = _mm256_abs_epi8(w0);
    const __m256i magnitude1 = _mm256_abs_epi8(w1);
#pragma GCC unroll 4
    for (std::size_t t = 0; t < kTokens; ++t) {
      const __m256i broadcast = broadcast4(x + t * stride + c);
      const __m256i pairs0 = _mm256_maddubs_epi16(magnitude0, _mm256_sign_epi8(broadcast, w0));
      const __m256i pairs1 = _mm256_maddubs_epi16(magnitude1, _mm256_sign_epi8(broadcast, w1));
      sums[t][0] = _mm256_add_epi32(sums[t][0], _mm256_madd_epi16(pairs0, ones));
      sums[t][1] = _mm256_add_epi32(sums[t][1], _mm256_madd_epi16(pairs1, ones));
    }
  }
#pragma GCC unroll 4
  for (std::size_t t = 0; t < kTokens; ++t) {
    store_int8_rows(job, token + t, row, sums[t][0]);
    store_int8_rows(job, token + t, row + kInt8Panel, sums[t][1]);
  }
}

struct FloatJob {
  const PackedMatrix* weights;
  const float* x;  // [tokens, columns]
  std::size_t row_end;
  float* out;          // [tokens, rows]
  std::size_t column;  // the block of columns in work
  std::size_t column_count;
};

// Eight values from `row` on, as far as the job's rows go.
BITMAR_AVX2 inline __m256 load_rows(const FloatJob& job, const float* values, std::size_t row) {
  return row < job.row_end ? load_lanes(values + row, job.row_end - row) : _mm256_setzero_ps();
}

BITMAR_AVX2 inline void store_float_rows(const FloatJob& job, std::size_t token, std::size_t row, __m256 sum) {
  if (row >= job.row_end) return;
  const bool last = job.column + job.column_count == job.weights->columns;
  if (last && job.weights->bias != nullptr) sum = _mm256_add_ps(sum, load_rows(job, job.weights->bias, row));
  store_lanes(job.out + token * job.weights->rows + row, job.row_end - row, sum);
}

// kPanels panels from `row` on, times kTokens tokens, over the job's block of columns.
template <std::size_t kTokens, std::size_t kPanels>
BITMAR_AVX2 void float_rows_times_tokens(const FloatJob& job, std::size_t row, std::size_t token) {
  const std::size_t columns = job.weights->columns;
  const auto* panels = reinterpret_cast<const float*>(job.weights->data) + row * columns + job.column * kFloatPanel;
  const float* x = job.x + token * columns + job.column;
  __m256 sums[kTokens][kPanels][2];
#pragma GCC unroll 6
  for (std::size_t t = 0; t < kTokens; ++t) {
#pragma GCC unroll 4
    for (std::size_t p = 0; p < kPanels; ++p) {
      const float* waiting = job.out + (token + t) * job.weights->rows;
      const std::size_t first = row + p * kFloatPanel;
      sums[t][p][0] = job.column == 0 ? _mm256_setzero_ps() : load_rows(job, waiting, first);
      sums[t][p][1] = job.column == 0 ? _mm256_setzero_ps() : load_rows(job, waiting, first + 8);
    }
  }
  for (std::size_t c = 0; c < job.column_count; ++c) {
#pragma GCC unroll 4
    for (std::size_t p = 0; p < kPanels; ++p) {
      const float* column = panels + p * kFloatPanel * columns + c * kFloatPanel;
      const __m256 w0 = _mm256_load_ps(column);
      const __m256 w1 = _mm256_load_ps(column + 8);
#pragma GCC unroll 6
      for (std::size_t t = 0; t < kTokens; ++t) {
        const __m256 value = _mm256_broadcast_ss(x + t * columns + c);
        sums[t][p][0] = _mm256_fmadd_ps(w0, value, sums[t][p][0]);
        sums[t][p][1] = _mm256_fmadd_ps(w1, value, sums[t][p][1]);
      }
    }
  }
#pragma GCC unroll 6
  for (std::size_t t = 0; t < kTokens; ++t) {
#pragma GCC unroll 4
    for (std::size_t p = 0; p < kPanels; ++p) {
      store_float_rows(job, token + t, row + p * kFloatPanel, sums[t][p][0]);
      store_float_rows(job, token + t, row + p * kFloatPanel + 8, sums[t][p][1]);
    }
  }
}

BITMAR_AVX2 void float_panel_times_tokens(const FloatJob& job, std::size_t row, std::size_t tokens) {
  std::size_t token = 0;
  for (; token + kFloatTokens <= tokens; token += kFloatTokens) {
    float_rows_times_tokens<kFloatTokens, 1>(job, row, token);
  }
  switch (tokens - token) {
    case 5:
      return float_rows_times_tokens<5, 1>(job, row, token);
    case 4:
      return float_rows_times_tokens<4, 1>(job, row, token);
    case 3:
      return float_rows_times_tokens<3, 1>(job, row, token);
    case 2:
      return float_rows_times_tokens<2, 1>(job, row, token);
    case 1:
      return float_rows_times_tokens<1, 1>(job, row, token);
    default:
      return;
  }
}

}  // namespace

std::size_t int8_packed_bytes(std::size_t rows, std::size_t columns) {
  return round_up(rows, kInt8Rows) * round_up(columns, kColumnAlignment);
}

void int8_pack(const std::int8_t* codes, std::size_t rows, std::size_t columns, std::uint8_t* packed) {
  const std::size_t stride = round_up(columns, kColumnAlignment);
  for (std::size_t i = 0; i < int8_packed_bytes(rows, columns); ++i) packed[i] = 0;
  for (std::size_t r = 0; r < rows; ++r) {
    std::uint8_t* lane = packed + r / kInt8Panel * kInt8Panel * stride + r % kInt8Panel * 4;
    for (std::size_t c = 0; c < columns; ++c) {
      lane[c / 4 * kGroupBytes + c % 4] = static_cast<std::uint8_t>(codes[r * columns + c]);
    }
  }
}

BITMAR_AVX2 void int8_linear(const PackedMatrix* weights, const ActivationRows* x, std::size_t row_begin,
                             std::size_t row_end, float* out) {
  const Int8Job job{weights, x, row_end, out};
  for (std::size_t row = row_begin; row < row_end; row += kInt8Rows) {
    std::size_t token = 0;
    for (; token + kInt8Tokens <= x->tokens; token += kInt8Tokens) {
      int8_rows_times_tokens<kInt8Tokens>(job, row, token);
    }
    switch (x->tokens - token) {
      case 3:
        int8_rows_times_tokens<3>(job, row, token);
        break;
      case 2:
        int8_rows_times_tokens<2>(job, row, token);
        break;
      case 1:
        int8_rows_times_tokens<1>(job, row, token);
        break;
      default:
        break;
    }
  }
}

std::size_t float_packed_bytes(std::size_t rows, std::size_t columns) {
  return round_up(rows, kFloatPanel) * columns * sizeof(float);
}

void float_pack(const float* weights, std::size_t rows, std::size_t columns, std::uint8_t* packed) {
  auto* panels = reinterpret_cast<float*>(packed);
  for (std::size_t r = 0; r < round_up(rows, kFloatPanel); ++r) {
    float* lane = panels + r / kFloatPanel * kFloatPanel * columns + r % kFloatPanel;
    for (std::size_t c = 0; c < columns; ++c) lane[c * kFloatPanel] = r < rows ? weights[r * columns + c] : 0.0f;
  }
}

BITMAR_AVX2 void float_linear(const PackedMatrix* weights, const float* x, std::size_t tokens, std::size_t row_begin,
                              std::size_t row_end, float* out) {
  for (std::size_t column = 0; column < weights->columns; column += kFloatBlockColumns) {
    const std::size_t left = weights->columns - column;
    const FloatJob job{weights, x, row_end, out, column, left < kFloatBlockColumns ? left : kFloatBlockColumns};
    std::size_t row = row_begin;
    if (tokens == 1) {
      for (; row + kFloatPanels * kFloatPanel <= row_end; row += kFloatPanels * kFloatPanel) {
        float_rows_times_tokens<1, kFloatPanels>(job, row, 0);
      }
    }
    for (; row < row_end; row += kFloatPanel) float_panel_times_tokens(job, row, tokens);
  }
}

}  // namespace bitmar::avx2

#endif
