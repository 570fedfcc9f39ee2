// The portable reference of every kernel: plain loops in the order of operations that kernel_table.h promises.
#include <cfloat>
#include <cmath>
#include <span>

#include "kernels/isa_tables.h"
#include "kernels/scalar_rows.h"

namespace bitmar {

#define BITMAR_TARGET
#define BITMAR_VECTOR_BYTES 16
#include "kernels/double_sums.h"
#undef BITMAR_VECTOR_BYTES
#undef BITMAR_TARGET

namespace {

// Ternary and int8 weights alike: one byte a code, rows padded with zeros as activation rows are.
std::size_t code_packed_bytes(std::size_t rows, std::size_t columns) {
  return rows * padded(columns, kColumnAlignment);
}

void code_pack(const std::int8_t* codes, std::size_t rows, std::size_t columns, std::uint8_t* packed) {
  const std::size_t stride = padded(columns, kColumnAlignment);
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t c = 0; c < stride; ++c) {
      packed[r * stride + c] = c < columns ? static_cast<std::uint8_t>(codes[r * columns + c]) : std::uint8_t{0};
    }
  }
}

std::int32_t code_sum(const PackedMatrix& weights, const ActivationRows& x, std::size_t row, std::size_t token) {
  const auto* w = reinterpret_cast<const std::int8_t*>(weights.data) + row * x.stride;
  const std::int8_t* codes = x.codes + token * x.stride;
  std::int32_t sum = 0;
  for (std::size_t c = 0; c < x.stride; ++c) sum += static_cast<std::int32_t>(w[c]) * codes[c];
  return sum;
}

void ternary_linear(const PackedMatrix* weights, const ActivationRows* x, std::size_t row_begin, std::size_t row_end,
                    float* out) {
  for (std::size_t t = 0; t < x->tokens; ++t) {
    const float scale = weights->scale * x->inverse_scales[t];
    for (std::size_t r = row_begin; r < row_end; ++r) {
      const float product = static_cast<float>(code_sum(*weights, *x, r, t)) * scale;
      out[t * weights->rows + r] = weights->bias == nullptr ? product : product + weights->bias[r];
    }
  }
}

float ternary_largest(const PackedMatrix* weights, const ActivationRows* x, std::size_t row_begin, std::size_t row_end,
                      std::size_t* row) {
  std::int32_t largest = code_sum(*weights, *x, row_begin, 0);
  *row = row_begin;
  for (std::size_t r = row_begin + 1; r < row_end; ++r) {
    const std::int32_t sum = code_sum(*weights, *x, r, 0);
    if (sum <= largest) continue;
    largest = sum;
    *row = r;
  }
  return static_cast<float>(largest) * (weights->scale * x->inverse_scales[0]);
}

void int8_linear(const PackedMatrix* weights, const ActivationRows* x, std::size_t row_begin, std::size_t row_end,
                 float* out) {
  for (std::size_t t = 0; t < x->tokens; ++t) {
    for (std::size_t r = row_begin; r < row_end; ++r) {
      const float scale = weights->row_scales[r] * x->inverse_scales[t];
      const float product = static_cast<float>(code_sum(*weights, *x, r, t)) * scale;
      out[t * weights->rows + r] = weights->bias == nullptr ? product : product + weights->bias[r];
    }
  }
}

// Panels of kLanes rows: [panel][column][lane].
std::size_t float_packed_bytes(std::size_t rows, std::size_t columns) {
  return padded(rows, kLanes) * columns * sizeof(float);
}

void float_pack(const float* weights, std::size_t rows, std::size_t columns, std::uint8_t* packed) {
  auto* panels = reinterpret_cast<float*>(packed);
  for (std::size_t r = 0; r < padded(rows, kLanes); ++r) {
    float* panel = panels + r / kLanes * kLanes * columns + r % kLanes;
    for (std::size_t c = 0; c < columns; ++c) panel[c * kLanes] = r < rows ? weights[r * columns + c] : 0.0f;
  }
}

void float_linear(const PackedMatrix* weights, const float* x, std::size_t tokens, std::size_t row_begin,
                  std::size_t row_end, float* out) {
  const auto* panels = reinterpret_cast<const float*>(weights->data);
  for (std::size_t first = row_begin; first < row_end; first += kLanes) {
    const float* panel = panels + first * weights->columns;
    for (std::size_t t = 0; t < tokens; ++t) {
      float sums[kLanes] = {};
      for (std::size_t c = 0; c < weights->columns; ++c) {
        const float value = x[t * weights->columns + c];
        for (std::size_t lane = 0; lane < kLanes; ++lane) sums[lane] += panel[c * kLanes + lane] * value;
      }
      for (std::size_t lane = 0; lane < kLanes && first + lane < row_end; ++lane) {
        const std::size_t r = first + lane;
        out[t * weights->rows + r] = weights->bias == nullptr ? sums[lane] : sums[lane] + weights->bias[r];
      }
    }
  }
}

// To the base of two.
float attention_score(const AttentionRange& range, std::size_t width, std::size_t row) {
  const std::size_t key_width = padded(width, 4);
  const std::int8_t* block = range.keys + row / kAttentionBlock * kAttentionBlock * key_width;
  std::int32_t sum = 0;
  for (std::size_t i = 0; i < width; ++i) {
    const std::size_t at = (i / 4 * kAttentionBlock + row % kAttentionBlock) * 4 + i % 4;
    sum += static_cast<std::int32_t>(block[at]) * range.query[i];
  }
  const float score = static_cast<float>(sum) * (range.key_scales[row] * (range.query_scale * kLog2E));
  return range.biases == nullptr ? score : score + range.biases[row] * kLog2E;
}

void attend(const AttentionRange* ranges, std::size_t range_count, std::size_t width, float* scratch, float* out,
            float* probabilities) {
  const std::span all(ranges, range_count);
  float largest = -INFINITY;
  float* score = scratch;
  for (const AttentionRange& range : all) {
    for (std::size_t row = range.begin; row < range.end; ++row, ++score) {
      *score = attention_score(range, width, row);
      largest = *score > largest ? *score : largest;
    }
  }
  float lanes[kLanes] = {};
  float largest_weight = 0.0f;
  float* weight = scratch;
  for (const AttentionRange& range : all) {
    for (std::size_t row = range.begin; row < range.end; ++row, ++weight) {
      const float power = bounded_power_of_two(*weight - largest, kLowestScore);
      lanes[row % kLanes] += power;
      if (probabilities != nullptr) probabilities[row] = power;
      *weight = power * range.value_scales[row];
      largest_weight = *weight > largest_weight ? *weight : largest_weight;
    }
  }
  const float scale = static_cast<float>(kWeightLimit) / largest_weight;
  const bool usable = scale <= FLT_MAX;
  const float power_sum = sum_of_lanes(lanes);
  const float inverse = 1.0f / power_sum;
  for (std::size_t row = 0; probabilities != nullptr && row < ranges[0].end; ++row) probabilities[row] *= inverse;
  const float rescale = usable ? largest_weight / static_cast<float>(kWeightLimit) / power_sum : 0.0f;
  const std::size_t value_width = padded(width, kLanes);
  for (std::size_t i = 0; i < width; ++i) {
    std::int64_t sum = 0;
    weight = scratch;
    for (const AttentionRange& range : all) {
      for (std::size_t row = range.begin; row < range.end; ++row, ++weight) {
        const auto code = static_cast<std::int64_t>(std::nearbyint(*weight * (usable ? scale : 0.0f)));
        sum += code * range.values[(row / 4 * value_width + i) * 4 + row % 4];
      }
    }
    out[i] = static_cast<float>(sum) * rescale;
  }
}

}  // namespace

const KernelTable* scalar_table() {
  static constexpr KernelTable kTable{
      .name = "scalar",
      .ternary_packed_bytes = code_packed_bytes,
      .ternary_pack = code_pack,
      .int8_packed_bytes = code_packed_bytes,
      .int8_pack = code_pack,
      .float_packed_bytes = float_packed_bytes,
      .float_pack = float_pack,
      .key_flip = 0,
      .row_granule = kLanes,
      .ternary_linear = ternary_linear,
      .int8_linear = int8_linear,
      .float_linear = float_linear,
      .ternary_largest = ternary_largest,
      .quantize_rows = quantize_rows,
      .quantize_heads = quantize_heads,
      .layer_norm_row = layer_norm_row,
      .gelu = gelu,
      .silu = silu,
      .relu = relu,
      .add = add,
      .multiply = multiply,
      .axpy = axpy,
      .dequantize = dequantize,
      .softmax = softmax,
      .dot = dot,
      .index_of_max = index_of_max,
      .column_maxima = column_maxima,
      .rough_exponentials = rough_exponentials,
      .rough_exponential_sums = rough_exponential_sums,
      .exponential_sums = exponential_sums,
      .attend = attend,
      .rotate = rotate,
  };
  return &kTable;
}

}  // namespace bitmar
