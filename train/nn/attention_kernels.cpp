#include "nn/attention_kernels.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <numbers>

#include "nn/power_of_two.h"

namespace bitmar {
namespace {

constexpr std::size_t kVector = 16;
// The processor's own registers or several of them: the compiler splits it.
typedef float Vector __attribute__((vector_size(kVector * sizeof(float))));

constexpr float kMasked = -1e9f;  // a score whose power of two is 0

[[gnu::always_inline]] inline void load(const float* from, Vector& to) {
  std::memcpy(&to, from, sizeof(to));
}
[[gnu::always_inline]] inline void store(const Vector& from, float* to) {
  std::memcpy(to, &from, sizeof(from));
}

std::size_t padded(std::size_t count) {
  return (count + kVector - 1) / kVector * kVector;
}

// rows [count, width] -> [width, padded(count)], zeros behind.
[[gnu::always_inline]] inline void transpose(HeadRows rows, std::size_t count, std::size_t width,
                                             std::vector<float>& out) {
  const std::size_t columns = padded(count);
  out.resize(std::max(out.size(), width * columns));
  for (std::size_t j = 0; j < width; ++j) {
    for (std::size_t i = 0; i < count; ++i) out[j * columns + i] = rows.row(i)[j];
    for (std::size_t i = count; i < columns; ++i) out[j * columns + i] = 0.0f;
  }
}

// A block of Q queries of a head W wide. Rows behind the last query are zeros.
template <std::size_t Q, std::size_t W>
struct Block {
  static constexpr std::size_t kVectors = W / kVector;

  // factor * rows first.. of the head -> [Q, W].
  [[gnu::always_inline]] static inline void gather(HeadRows rows, std::size_t first, std::size_t count, float factor,
                                                   float* out) {
    for (std::size_t i = 0; i < Q; ++i) {
      for (std::size_t j = 0; j < W; ++j) out[i * W + j] = i < count ? rows.row(first + i)[j] * factor : 0.0f;
    }
  }

  // out [Q, columns] = rows [Q, W] transposed [W, columns], of the first `used` columns, a multiple of kVector.
  [[gnu::always_inline]] static inline void scores(const float* rows, const float* transposed, std::size_t columns,
                                                   std::size_t used, float* out) {
    for (std::size_t k = 0; k < used; k += kVector) {
      Vector sums[Q] = {};
      for (std::size_t j = 0; j < W; ++j) {
        Vector column;
        load(transposed + j * columns + k, column);
        for (std::size_t i = 0; i < Q; ++i) sums[i] += rows[i * W + j] * column;
      }
      for (std::size_t i = 0; i < Q; ++i) store(sums[i], out + i * columns + k);
    }
  }

  // sums [Q] of vectors = weights [Q, columns] rows [keys, W].
  [[gnu::always_inline]] static inline void mix(const float* weights, std::size_t columns, HeadRows rows,
                                                std::size_t keys, Vector (&sums)[Q][kVectors]) {
    for (auto& row : sums) {
      for (Vector& sum : row) sum = Vector{};
    }
    for (std::size_t k = 0; k < keys; ++k) {
      Vector row[kVectors];
      for (std::size_t v = 0; v < kVectors; ++v) load(rows.row(k) + v * kVector, row[v]);
      for (std::size_t i = 0; i < Q; ++i) {
        for (std::size_t v = 0; v < kVectors; ++v) sums[i][v] += weights[i * columns + k] * row[v];
      }
    }
  }

  // sums [keys, W] += weights^T [keys, Q] rows [Q, W].
  [[gnu::always_inline]] static inline void spread(const float* weights, std::size_t columns, const float* rows,
                                                   std::size_t keys, MutableHeadRows sums) {
    for (std::size_t v = 0; v < kVectors; ++v) {
      Vector row[Q];
      for (std::size_t i = 0; i < Q; ++i) load(rows + i * W + v * kVector, row[i]);
      for (std::size_t k = 0; k < keys; ++k) {
        float* place = sums.row(k) + v * kVector;
        Vector sum;
        load(place, sum);
        for (std::size_t i = 0; i < Q; ++i) sum += weights[i * columns + k] * row[i];
        store(sum, place);
      }
    }
  }
};

// Keys that query `t` sees.
[[gnu::always_inline]] inline std::size_t visible(const AttentionShape& shape, std::size_t t) {
  return shape.causal ? std::min(t + 1, shape.keys) : shape.keys;
}

template <std::size_t Q, std::size_t W>
[[gnu::always_inline]] inline void forward(const AttentionShape& shape, HeadRows query, HeadRows key, HeadRows value,
                                           MutableHeadRows out, std::span<float> log_sums, AttentionScratch& scratch) {
  using Rows = Block<Q, W>;
  const std::size_t columns = padded(shape.keys);
  transpose(key, shape.keys, W, scratch.keys_transposed);
  scratch.queries.resize(std::max(scratch.queries.size(), Q * W));
  scratch.weights.resize(std::max(scratch.weights.size(), Q * columns));
  float* weights = scratch.weights.data();
  const float factor = std::numbers::log2e_v<float> / std::sqrt(static_cast<float>(W));
  for (std::size_t first = 0; first < shape.queries; first += Q) {
    const std::size_t count = std::min(Q, shape.queries - first);
    const std::size_t keys = visible(shape, first + count - 1);
    const std::size_t used = padded(keys);
    Rows::gather(query, first, count, factor, scratch.queries.data());
    Rows::scores(scratch.queries.data(), scratch.keys_transposed.data(), columns, used, weights);
    std::array<float, Q> sums{};
    for (std::size_t i = 0; i < count; ++i) {
      float* row = weights + i * columns;
      std::fill(row + visible(shape, first + i), row + used, kMasked);
      std::array<float, kVector> lanes;
      lanes.fill(kMasked);
      for (std::size_t k = 0; k < used; k += kVector) {
        for (std::size_t lane = 0; lane < kVector; ++lane) {
          lanes[lane] = row[k + lane] > lanes[lane] ? row[k + lane] : lanes[lane];
        }
      }
      const float maximum = *std::ranges::max_element(lanes);
      std::array<float, kVector> totals{};
      for (std::size_t k = 0; k < used; k += kVector) {
        for (std::size_t lane = 0; lane < kVector; ++lane) {
          const float weight = power_of_two(row[k + lane] - maximum);
          row[k + lane] = weight;
          totals[lane] += weight;
        }
      }
      for (const float total : totals) sums[i] += total;
      log_sums[first + i] = maximum + std::log2(sums[i]);
    }
    Vector mixed[Q][Rows::kVectors];
    Rows::mix(weights, columns, value, keys, mixed);
    for (std::size_t i = 0; i < count; ++i) {
      for (std::size_t v = 0; v < Rows::kVectors; ++v) {
        store(mixed[i][v] * (1.0f / sums[i]), out.row(first + i) + v * kVector);
      }
    }
  }
}

template <std::size_t Q, std::size_t W>
[[gnu::always_inline]] inline void backward(const AttentionShape& shape, HeadRows query, HeadRows key, HeadRows value,
                                            HeadRows out, std::span<const float> log_sums, HeadRows d_out,
                                            const AttentionGradients& gradients, AttentionScratch& scratch) {
  using Rows = Block<Q, W>;
  const std::size_t columns = padded(shape.keys);
  transpose(key, shape.keys, W, scratch.keys_transposed);
  transpose(value, shape.keys, W, scratch.values_transposed);
  scratch.queries.resize(std::max(scratch.queries.size(), 3 * Q * W));
  scratch.weights.resize(std::max(scratch.weights.size(), Q * columns));
  scratch.gradients.resize(std::max(scratch.gradients.size(), Q * columns));
  float* weights = scratch.weights.data();
  float* changes = scratch.gradients.data();  // of the weights, then of the scores
  float* to_base_two = scratch.queries.data();
  float* plain = to_base_two + Q * W;
  float* towards = plain + Q * W;
  const float scale = 1.0f / std::sqrt(static_cast<float>(W));
  for (std::size_t k = 0; k < shape.keys; ++k) {
    std::fill_n(gradients.key.row(k), W, 0.0f);
    std::fill_n(gradients.value.row(k), W, 0.0f);
  }
  for (std::size_t first = 0; first < shape.queries; first += Q) {
    const std::size_t count = std::min(Q, shape.queries - first);
    const std::size_t keys = visible(shape, first + count - 1);
    const std::size_t used = padded(keys);
    Rows::gather(query, first, count, std::numbers::log2e_v<float> * scale, to_base_two);
    Rows::gather(query, first, count, 1.0f, plain);
    Rows::gather(d_out, first, count, 1.0f, towards);
    Rows::scores(to_base_two, scratch.keys_transposed.data(), columns, used, weights);
    Rows::scores(towards, scratch.values_transposed.data(), columns, used, changes);
    for (std::size_t i = 0; i < count; ++i) {
      float* row = weights + i * columns;
      float* change = changes + i * columns;
      std::fill(row + visible(shape, first + i), row + used, kMasked);
      float share = 0.0f;  // of the softmax's denominator: out . d_out
      for (std::size_t j = 0; j < W; ++j) share += out.row(first + i)[j] * towards[i * W + j];
      const float log_sum = log_sums[first + i];
      for (std::size_t k = 0; k < used; ++k) {
        row[k] = power_of_two(row[k] - log_sum);
        change[k] = row[k] * (change[k] - share) * scale;
      }
    }
    for (std::size_t i = count; i < Q; ++i) {
      std::fill_n(weights + i * columns, used, 0.0f);
      std::fill_n(changes + i * columns, used, 0.0f);
    }
    Vector mixed[Q][Rows::kVectors];
    Rows::mix(changes, columns, key, keys, mixed);
    for (std::size_t i = 0; i < count; ++i) {
      for (std::size_t v = 0; v < Rows::kVectors; ++v) {
        store(mixed[i][v], gradients.query.row(first + i) + v * kVector);
      }
    }
    Rows::spread(changes, columns, plain, keys, gradients.key);
    Rows::spread(weights, columns, towards, keys, gradients.value);
  }
}

// 32 registers of 16 floats hold the sums of eight queries; half as many of 8 floats those of two.
#if defined(__x86_64__)
#define BITMAR_AVX512 [[gnu::target("avx512f")]]
#else
#define BITMAR_AVX512
#endif

template <typename... Arguments>
BITMAR_AVX512 void forward_wide(std::size_t width, Arguments&&... arguments) {
  width == 32 ? forward<8, 32>(arguments...) : forward<4, 64>(arguments...);
}
template <typename... Arguments>
void forward_narrow(std::size_t width, Arguments&&... arguments) {
  width == 32 ? forward<2, 32>(arguments...) : forward<1, 64>(arguments...);
}
template <typename... Arguments>
BITMAR_AVX512 void backward_wide(std::size_t width, Arguments&&... arguments) {
  width == 32 ? backward<8, 32>(arguments...) : backward<4, 64>(arguments...);
}
template <typename... Arguments>
void backward_narrow(std::size_t width, Arguments&&... arguments) {
  width == 32 ? backward<2, 32>(arguments...) : backward<1, 64>(arguments...);
}

}  // namespace

bool has_wide_vectors() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx512f");
#else
  return false;
#endif
}

void attention_forward(const AttentionShape& shape, HeadRows query, HeadRows key, HeadRows value, MutableHeadRows out,
                       std::span<float> log_sums, AttentionScratch& scratch) {
  shape.wide_vectors ? forward_wide(shape.width, shape, query, key, value, out, log_sums, scratch)
                     : forward_narrow(shape.width, shape, query, key, value, out, log_sums, scratch);
}

void attention_backward(const AttentionShape& shape, HeadRows query, HeadRows key, HeadRows value, HeadRows out,
                        std::span<const float> log_sums, HeadRows d_out, const AttentionGradients& gradients,
                        AttentionScratch& scratch) {
  shape.wide_vectors ? backward_wide(shape.width, shape, query, key, value, out, log_sums, d_out, gradients, scratch)
                     : backward_narrow(shape.width, shape, query, key, value, out, log_sums, d_out, gradients, scratch);
}

}  // namespace bitmar
