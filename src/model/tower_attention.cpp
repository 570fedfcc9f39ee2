#include "model/tower_attention.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <span>

#include "kernels/ops.h"
#include "model/threaded_items.h"

namespace bitmar {
namespace {

// Queries that pass through a head's keys together: their scores (32 x 1370 floats at the largest usual image) stay
// in the second-level cache.
constexpr std::size_t kQueryBlock = 32;

constexpr std::size_t ceil_divide(std::size_t value, std::size_t by) {
  return (value + by - 1) / by;
}

constexpr std::size_t aligned_size(std::size_t bytes) {
  constexpr std::size_t kAlignment = AlignedBuffer<std::uint8_t>::kAlignment;
  return ceil_divide(bytes, kAlignment) * kAlignment;
}

PackedMatrix packed_matrix(const std::uint8_t* data, std::size_t rows, std::size_t columns) {
  return {data, rows, columns, 1.0f, nullptr, nullptr};
}

}  // namespace

TowerAttention::TowerAttention(const Kernels& kernels, std::size_t tokens, std::size_t heads, std::size_t head_width)
    : kernels_(&kernels),
      tokens_(tokens),
      heads_(heads),
      head_width_(head_width),
      key_stride_(aligned_size(kernels.float_packed_bytes(tokens, head_width))),
      value_stride_(aligned_size(kernels.float_packed_bytes(head_width, tokens))),
      packed_keys_(heads * key_stride_),
      packed_values_(heads * value_stride_) {}

void TowerAttention::run(MatrixView<const float> queries, MatrixView<const float> keys, MatrixView<const float> values,
                         MatrixView<float> out, ThreadPool* pool) {
  assert(queries.rows == tokens_ && queries.columns == heads_ * head_width_);
  const std::size_t threads = pool == nullptr ? 1 : pool->size();
  while (scratch_.size() < threads) {
    Scratch& scratch = scratch_.emplace_back();
    scratch.head.resize(tokens_ * head_width_);
    scratch.block.resize(kQueryBlock * head_width_);
    scratch.scores.resize(kQueryBlock * tokens_);
  }
  for_each_item(heads_, threads, pool, [&](std::size_t head, std::size_t thread) {
    pack_head(head, keys, values, scratch_[thread]);
  });
  const std::size_t blocks = ceil_divide(tokens_, kQueryBlock);
  for_each_item(heads_ * blocks, threads, pool, [&](std::size_t item, std::size_t thread) {
    attend(item / blocks, item % blocks * kQueryBlock, queries, out, scratch_[thread]);
  });
}

void TowerAttention::pack_head(std::size_t head, MatrixView<const float> keys, MatrixView<const float> values,
                               Scratch& scratch) {
  const std::span<float> gathered = scratch.head.span();
  for (std::size_t t = 0; t < tokens_; ++t) {
    std::ranges::copy(keys.row(t).subspan(head * head_width_, head_width_), gathered.data() + t * head_width_);
  }
  kernels_->float_pack(gathered.data(), tokens_, head_width_, packed_keys_.data() + head * key_stride_);
  for (std::size_t t = 0; t < tokens_; ++t) {
    const auto value = values.row(t).subspan(head * head_width_, head_width_);
    for (std::size_t k = 0; k < head_width_; ++k) gathered[k * tokens_ + t] = value[k];
  }
  kernels_->float_pack(gathered.data(), head_width_, tokens_, packed_values_.data() + head * value_stride_);
}

void TowerAttention::attend(std::size_t head, std::size_t first, MatrixView<const float> queries,
                            MatrixView<float> out, Scratch& scratch) const {
  const std::size_t count = std::min(kQueryBlock, tokens_ - first);
  const float scale = 1.0f / std::sqrt(static_cast<float>(head_width_));
  const std::span<float> block = scratch.block.span();
  for (std::size_t i = 0; i < count; ++i) {
    const auto query = queries.row(first + i).subspan(head * head_width_, head_width_);
    std::ranges::transform(query, block.data() + i * head_width_, [scale](float value) { return value * scale; });
  }
  const std::span<float> scores = scratch.scores.span();
  const PackedMatrix keys = packed_matrix(packed_keys_.data() + head * key_stride_, tokens_, head_width_);
  kernels_->float_linear(&keys, block.data(), count, 0, tokens_, scores.data());
  for (std::size_t i = 0; i < count; ++i) softmax(*kernels_, scores.subspan(i * tokens_, tokens_));
  const PackedMatrix values = packed_matrix(packed_values_.data() + head * value_stride_, head_width_, tokens_);
  kernels_->float_linear(&values, scores.data(), count, 0, head_width_, block.data());
  for (std::size_t i = 0; i < count; ++i) {
    const auto attended = block.subspan(i * head_width_, head_width_);
    std::ranges::copy(attended, out.row(first + i).subspan(head * head_width_, head_width_).begin());
  }
}

}  // namespace bitmar
