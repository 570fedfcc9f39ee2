// The FP32 products and the attention, on the lanes of lane_kernels.h and included after it.

namespace {

// Float products: panels of 16 rows, [panel, column, 16]. Each output is one chain over ascending columns; between
// blocks of columns it waits in the output's own memory.
constexpr std::size_t kBlockColumns = 256;  // a panel's block is then 16 KiB, half of the first cache

struct FloatJob {
  const PackedMatrix* weights;
  const float* x;  // [tokens, columns]
  std::size_t row_end;
  float* out;          // [tokens, rows]
  std::size_t column;  // the block of columns in work
  std::size_t column_count;
};

BITMAR_TARGET inline void store_panel(const FloatJob& job, std::size_t token, std::size_t row, Floats sums) {
  if (row >= job.row_end) return;
  const std::size_t rows = lanes_left(job.row_end, row);
  const bool last = job.column + job.column_count == job.weights->columns;
  float* target = job.out + token * job.weights->rows + row;
  if (rows == kLanes) {
    if (last && job.weights->bias != nullptr) sums = add(sums, load(job.weights->bias + row));
    store(target, sums);
  } else {
    if (last && job.weights->bias != nullptr) sums = add(sums, load_first(job.weights->bias + row, rows));
    store_first(target, rows, sums);
  }
}

template <std::size_t kTokens, std::size_t kPanels>
BITMAR_TARGET __attribute__((noinline)) void panels_times_tokens(const FloatJob& job, std::size_t row,
                                                                 std::size_t token) {
  const std::size_t columns = job.weights->columns;
  const auto* panels = reinterpret_cast<const float*>(job.weights->data) + row * columns + job.column * kLanes;
  const float* x = job.x + token * columns + job.column;
  Floats sums[kTokens][kPanels];
#pragma GCC unroll 16
  for (std::size_t t = 0; t < kTokens; ++t) {
#pragma GCC unroll 16
    for (std::size_t p = 0; p < kPanels; ++p) {
      const std::size_t first = row + p * kLanes;
      const bool waiting = job.column != 0 && first < job.row_end;
      sums[t][p] = waiting
                       ? load_first(job.out + (token + t) * job.weights->rows + first, lanes_left(job.row_end, first))
                       : zeros();
    }
  }
  for (std::size_t c = 0; c < job.column_count; ++c) {
    Floats w[kPanels];
#pragma GCC unroll 16
    for (std::size_t p = 0; p < kPanels; ++p) w[p] = load(panels + p * kLanes * columns + c * kLanes);
#pragma GCC unroll 16
    for (std::size_t t = 0; t < kTokens; ++t) {
      const Floats value = spread(x[t * columns + c]);
#pragma GCC unroll 16
      for (std::size_t p = 0; p < kPanels; ++p) sums[t][p] = add(sums[t][p], mul(w[p], value));
    }
  }
#pragma GCC unroll 16
  for (std::size_t t = 0; t < kTokens; ++t) {
#pragma GCC unroll 16
    for (std::size_t p = 0; p < kPanels; ++p) store_panel(job, token + t, row + p * kLanes, sums[t][p]);
  }
}

// The last tokens, fewer than a tile.
template <std::size_t kTokens, std::size_t kPanels>
BITMAR_TARGET inline void last_tokens(const FloatJob& job, std::size_t row, std::size_t token, std::size_t count) {
  if (count == kTokens) return panels_times_tokens<kTokens, kPanels>(job, row, token);
  if constexpr (kTokens > 1) last_tokens<kTokens - 1, kPanels>(job, row, token, count);
}

template <std::size_t kPanels>
BITMAR_TARGET inline void panels_times_all(const FloatJob& job, std::size_t row, std::size_t tokens) {
  std::size_t token = 0;
  for (; token + kLinearTokens <= tokens; token += kLinearTokens) {
    panels_times_tokens<kLinearTokens, kPanels>(job, row, token);
  }
  if (token < tokens) last_tokens<kLinearTokens - 1, kPanels>(job, row, token, tokens - token);
}

BITMAR_TARGET void float_linear(const PackedMatrix* weights, const float* x, std::size_t tokens, std::size_t row_begin,
                                std::size_t row_end, float* out) {
  for (std::size_t column = 0; column < weights->columns; column += kBlockColumns) {
    const std::size_t left = weights->columns - column;
    const FloatJob job{weights, x, row_end, out, column, left < kBlockColumns ? left : kBlockColumns};
    std::size_t row = row_begin;
    if (tokens == 1) {
      for (; row + kVectorPanels * kLanes <= row_end; row += kVectorPanels * kLanes) {
        panels_times_tokens<1, kVectorPanels>(job, row, 0);
      }
    }
    for (; row + kLinearPanels * kLanes <= row_end; row += kLinearPanels * kLanes) {
      panels_times_all<kLinearPanels>(job, row, tokens);
    }
    for (; row < row_end; row += kLanes) panels_times_all<1>(job, row, tokens);
  }
}

// The lanes of the block at `row` that lie in the range; elsewhere `other`.
BITMAR_TARGET inline Floats within(const AttentionRange& range, std::size_t row, Floats values, float other) {
  if (row >= range.begin && row + kLanes <= range.end) [[likely]]
    return values;
  const std::size_t first = range.begin > row ? range.begin - row : 0;
  return keep_lanes(values, first, lanes_left(range.end, row), other);
}

// The scores of one query, to the base of two, over a range in whole blocks of 16 rows.
template <typename Query>
BITMAR_TARGET inline Floats range_scores(const AttentionRange& range, const Query& query, std::size_t key_width,
                                         Floats maxima, float* scores) {
  const Floats query_scale = spread(range.query_scale * kLog2E);
  for (std::size_t row = range.begin / kLanes * kLanes; row < range.end; row += kLanes) {
    const std::int8_t* keys = range.keys + row * key_width;
    const Floats scale = mul(load(range.key_scales + row), query_scale);
    Floats products = mul(to_floats(query.sums(keys)), scale);
    if (range.biases != nullptr) products = add(products, mul(load(range.biases + row), spread(kLog2E)));
    const Floats block = within(range, row, products, -__builtin_inff());
    maxima = max(block, maxima);
    store(scores, block);
    scores += kLanes;
  }
  return maxima;
}

BITMAR_TARGET inline std::size_t blocks_of(const AttentionRange& range) {
  return (range.end - 1) / kLanes - range.begin / kLanes + 1;
}

BITMAR_TARGET inline void scale_row(float* values, std::size_t count, float factor) {
  for (std::size_t i = 0; i < count; i += kLanes) {
    const std::size_t lanes = lanes_left(count, i);
    store_first(values + i, lanes, mul(load_first(values + i, lanes), spread(factor)));
  }
}

BITMAR_TARGET void attend(const AttentionRange* ranges, std::size_t range_count, std::size_t width, float* scratch,
                          float* out, float* probabilities) {
  const std::size_t key_width = (width + 3) / 4 * 4;
  Floats maxima = spread(-__builtin_inff());
  float* scores = scratch;
  for (std::size_t r = 0; r < range_count; ++r) {
    if (key_width == 32) {
      maxima = range_scores(ranges[r], FixedKeyQuery<32>(ranges[r].query), key_width, maxima, scores);
    } else if (key_width == 64) {
      maxima = range_scores(ranges[r], FixedKeyQuery<64>(ranges[r].query), key_width, maxima, scores);
    } else {
      maxima = range_scores(ranges[r], KeyQuery(ranges[r].query, key_width), key_width, maxima, scores);
    }
    scores += blocks_of(ranges[r]) * kLanes;
  }
  const Floats largest = spread(max_lanes(maxima));
  Floats sums = zeros();
  maxima = zeros();
  float* weights = scratch;
  for (std::size_t r = 0; r < range_count; ++r) {
    const AttentionRange& range = ranges[r];
    for (std::size_t row = range.begin / kLanes * kLanes; row < range.end; row += kLanes) {
      const Floats power = within(range, row, bounded_power_of_two(sub(load(weights), largest), kLowestScore), 0.0f);
      sums = add(sums, power);
      if (probabilities != nullptr) store_first(probabilities + row, lanes_left(range.end, row), power);
      const Floats weight = mul(power, load(range.value_scales + row));
      maxima = max(weight, maxima);
      store(weights, weight);
      weights += kLanes;
    }
  }
  const float largest_weight = max_lanes(maxima);
  const float scale = static_cast<float>(kWeightLimit) / largest_weight;
  const bool usable = scale <= 3.40282347e38f;
  const Floats factor = spread(usable ? scale : 0.0f);
  const auto blocks = static_cast<std::size_t>(weights - scratch) / kLanes;
  // Block by block in place: 16 codes take the 64 bytes of 16 weights.
  for (std::size_t block = 0; block < blocks; ++block) {
    float* weight = scratch + block * kLanes;
    store_weights(reinterpret_cast<std::uint8_t*>(weight), to_ints(round_even(mul(load(weight), factor))));
  }
  const float sum = sum_lanes(sums);
  if (probabilities != nullptr) scale_row(probabilities, ranges[0].end, 1.0f / sum);
  const float rescale = usable ? largest_weight / static_cast<float>(kWeightLimit) / sum : 0.0f;
  weighted_values(ranges, range_count, reinterpret_cast<const std::uint8_t*>(scratch), width, rescale, out);
}

// A table with everything that is this text; the products on integer codes are still missing.
constexpr KernelTable lane_table(const char* name) {
  KernelTable table{};
  table.name = name;
  table.float_packed_bytes = float_packed_bytes;
  table.float_pack = float_pack;
  table.float_linear = float_linear;
  table.quantize_rows = quantize_rows;
  table.quantize_heads = quantize_heads;
  table.layer_norm_row = layer_norm_row;
  table.gelu = gelu;
  table.silu = silu;
  table.relu = relu;
  table.add = add_rows;
  table.multiply = multiply_rows;
  table.axpy = axpy;
  table.dequantize = dequantize;
  table.softmax = softmax;
  table.dot = dot;
  table.index_of_max = index_of_max;
  table.column_maxima = column_maxima;
  table.rough_exponentials = rough_exponentials;
  table.rough_exponential_sums = rough_exponential_sums;
  table.exponential_sums = exponential_sums;
  table.attend = attend;
  table.rotate = rotate;
  return table;
}

}  // namespace
