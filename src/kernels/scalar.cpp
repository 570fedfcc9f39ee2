// The portable reference of every kernel: plain loops in the order of operations that kernel_table.h promises.
#include <bit>
#include <cfloat>
#include <cmath>
#include <span>

#include "kernels/isa_tables.h"

namespace bitmar {
namespace {

constexpr std::size_t kLanes = 16;

std::size_t padded(std::size_t count, std::size_t multiple) {
  return (count + multiple - 1) / multiple * multiple;
}

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

float quantize_row(const float* x, std::size_t columns, std::size_t stride, float range, std::int8_t* codes) {
  float largest = 0.0f;
  for (std::size_t c = 0; c < columns; ++c) largest = std::fabs(x[c]) > largest ? std::fabs(x[c]) : largest;
  const float scale = range / largest;
  const bool usable = scale <= FLT_MAX;  // not where largest is 0 or too small
  // Adding and subtracting 1.5 * 2^23 rounds half to even: the sum has no bits left below the units.
  constexpr float kRounder = 12582912.0f;
  for (std::size_t c = 0; c < stride; ++c) {
    float value = usable && c < columns ? x[c] * scale : 0.0f;
    value = value > -127.0f ? value : -127.0f;  // also turns what is not a number into a number
    value = value < 127.0f ? value : 127.0f;
    codes[c] = static_cast<std::int8_t>((value + kRounder) - kRounder);
  }
  return usable ? largest / range : 0.0f;
}

void quantize_rows(const float* x, std::size_t rows, std::size_t columns, std::size_t stride, std::int8_t* codes,
                   float* inverse_scales, std::int16_t* column_sums) {
  for (std::size_t row = 0; row < rows; ++row, codes += stride) {
    inverse_scales[row] = quantize_row(x + row * columns, columns, stride, 127.0f, codes);
    for (std::size_t first = 0; first < stride; first += kSumColumns) {
      int sums[2] = {0, 0};
      for (std::size_t c = first; c < stride && c < first + kSumColumns; ++c) sums[c / 2 % 2] += codes[c];
      *column_sums++ = static_cast<std::int16_t>(sums[0]);
      *column_sums++ = static_cast<std::int16_t>(sums[1]);
    }
  }
}

void quantize_heads(const float* x, std::size_t rows, std::size_t columns, std::size_t stride, std::int8_t* codes,
                    float* inverse_scales) {
  for (std::size_t row = 0; row < rows; ++row) {
    inverse_scales[row] = quantize_row(x + row * columns, columns, stride, kHeadRange, codes + row * stride);
  }
}

float sum_of_lanes(const float (&lanes)[kLanes]) {
  float sums[kLanes];
  for (std::size_t i = 0; i < kLanes; ++i) sums[i] = lanes[i];
  for (std::size_t half = kLanes / 2; half > 0; half /= 2) {
    for (std::size_t i = 0; i < half; ++i) sums[i] += sums[i + half];
  }
  return sums[0];
}

// See lane_kernels.h for the approximations.
constexpr float kLowestExponent = -87.3365f;

float bounded_exponential(float x) {
  constexpr float kRounder = 12582912.0f;  // adding and subtracting 1.5 * 2^23 rounds half to even
  const float n = (x * 1.44269504f + kRounder) - kRounder;
  const float r = x - n * 0x1.62e4p-1f - n * 0x1.7f7d1cp-20f;
  const float r2 = r * r;
  const float low = r * 0x1.555492p-3f + 0x1.fffffcp-2f;
  const float middle = r * 0x1.123a2p-7f + 0x1.5558f2p-5f;
  const float p = (r2 * 0x1.6a23cep-10f + middle) * r2 + low;
  const float power = p * r2 + r + 1.0f;
  return std::bit_cast<float>(std::bit_cast<std::int32_t>(power) + static_cast<std::int32_t>(n) * (1 << 23));
}

float exponential_of_negative(float x) {
  return bounded_exponential(x > kLowestExponent ? x : kLowestExponent);
}

float exponential(float x) {
  if (!(x >= kLowestExponent)) return 0.0f;
  return bounded_exponential(x < 88.02f ? x : 88.02f);
}

// The sum of a norm over values[count]: 64 lanes, folded to 16 as vectors 0 and 2, 1 and 3.
template <typename Function>
float norm_sum(const float* x, std::size_t count, const Function& function) {
  float chains[4 * kLanes] = {};
  for (std::size_t i = 0; i < count; ++i) chains[i % (4 * kLanes)] += function(x[i]);
  float lanes[kLanes];
  for (std::size_t i = 0; i < kLanes; ++i) {
    lanes[i] = (chains[i] + chains[i + 2 * kLanes]) + (chains[i + kLanes] + chains[i + 3 * kLanes]);
  }
  return sum_of_lanes(lanes);
}

void layer_norm_row(const float* x, const float* gain, const float* bias, float epsilon, std::size_t count,
                    float* out) {
  const float mean = norm_sum(x, count, [](float value) { return value; }) / static_cast<float>(count);
  const float squares = norm_sum(x, count, [mean](float value) { return (value - mean) * (value - mean); });
  const float inverse = 1.0f / std::sqrt(squares / static_cast<float>(count) + epsilon);
  for (std::size_t i = 0; i < count; ++i) {
    const float normalised = (x[i] - mean) * inverse * gain[i];
    out[i] = bias == nullptr ? normalised : normalised + bias[i];
  }
}

void gelu(const float* x, std::size_t count, float* out) {
  for (std::size_t i = 0; i < count; ++i) {
    const float magnitude = std::fabs(x[i]);
    const float y = magnitude < 13.0f ? magnitude : 13.0f;
    const float t = 1.0f / (y * 0.33f + 1.0f);
    const float t2 = t * t;
    const float upper = t2 * 0.045490682f + (t * -0.22036046f + 0.33088064f);
    const float q = ((upper * t2 + (t * -0.08903031f + 0.18094513f)) * t2 + (t * 0.119453296f + 0.132621f)) * t;
    out[i] = (x[i] > 0.0f ? x[i] : 0.0f) - y * bounded_exponential(y * y * -0.5f) * q;
  }
}

void silu(const float* x, std::size_t count, float* out) {
  for (std::size_t i = 0; i < count; ++i) out[i] = x[i] / (1.0f + exponential(0.0f - x[i]));
}

void relu(const float* x, std::size_t count, float* out) {
  for (std::size_t i = 0; i < count; ++i) out[i] = x[i] > 0.0f ? x[i] : 0.0f;
}

void add(const float* a, const float* b, std::size_t count, float* out) {
  for (std::size_t i = 0; i < count; ++i) out[i] = a[i] + b[i];
}

void multiply(const float* a, const float* b, std::size_t count, float* out) {
  for (std::size_t i = 0; i < count; ++i) out[i] = a[i] * b[i];
}

void axpy(float alpha, const float* x, std::size_t count, float* y) {
  for (std::size_t i = 0; i < count; ++i) y[i] += alpha * x[i];
}

void dequantize(const std::int8_t* codes, float scale, std::size_t count, float* out) {
  for (std::size_t i = 0; i < count; ++i) out[i] = scale * static_cast<float>(codes[i]);
}

std::size_t index_of_max(const float* values, std::size_t count) {
  std::size_t best = 0;
  for (std::size_t i = 1; i < count; ++i) best = values[i] > values[best] ? i : best;
  return best;
}

void softmax(float* values, std::size_t count) {
  if (count == 0) return;
  const float largest = values[index_of_max(values, count)];
  float lanes[kLanes] = {};
  for (std::size_t i = 0; i < count; ++i) {
    values[i] = exponential(values[i] - largest);
    lanes[i % kLanes] += values[i];
  }
  const float inverse = 1.0f / sum_of_lanes(lanes);
  for (std::size_t i = 0; i < count; ++i) values[i] *= inverse;
}

float dot(const float* a, const float* b, std::size_t count) {
  float lanes[kLanes] = {};
  for (std::size_t i = 0; i < count; ++i) lanes[i % kLanes] += a[i] * b[i];
  return sum_of_lanes(lanes);
}

float attention_score(const AttentionRange& range, std::size_t width, std::size_t row) {
  const std::size_t key_width = padded(width, 4);
  const std::int8_t* block = range.keys + row / kAttentionBlock * kAttentionBlock * key_width;
  std::int32_t sum = 0;
  for (std::size_t i = 0; i < width; ++i) {
    const std::size_t at = (i / 4 * kAttentionBlock + row % kAttentionBlock) * 4 + i % 4;
    sum += static_cast<std::int32_t>(block[at]) * range.query[i];
  }
  const float score = static_cast<float>(sum) * (range.key_scales[row] * range.query_scale);
  return range.biases == nullptr ? score : score + range.biases[row];
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
      const float power = exponential_of_negative(*weight - largest);
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

void rotate(float* values, std::size_t heads, std::size_t head_width, const float* cosines, const float* sines) {
  const std::size_t half = head_width / 2;
  for (std::size_t h = 0; h < heads; ++h) {
    float* low = values + h * head_width;
    float* high = low + half;
    for (std::size_t i = 0; i < half; ++i) {
      const float a = low[i];
      const float b = high[i];
      low[i] = a * cosines[i] - b * sines[i];
      high[i] = a * sines[i] + b * cosines[i];
    }
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
      .attend = attend,
      .rotate = rotate,
  };
  return &kTable;
}

}  // namespace bitmar
