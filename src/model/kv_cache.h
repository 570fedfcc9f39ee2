// The attention cache of one layer and one sequence: the first S tokens for ever (sinks), and the last W (DESIGN
// section 2, "Attention sinks"; Xiao et al. 2023). Constant memory for a stream of any length; keys are stored rotated
// at their absolute position and never rotated again.
//
//   cache.make_room(batch);                              // once before the tokens of a batch
//   for (...) cache.append(key, value);                  // [heads * head_width] each
//   const auto seen = cache.visible(position);           // what the query at `position` attends to
//   attention_scores(kernels, query, cache.keys(head).subspan(seen.window_row * head_width), ...);
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "kernels/aligned_buffer.h"
#include "model/schema/config.h"

namespace bitmar {

struct CacheShape {
  std::size_t heads = 0;
  std::size_t head_width = 0;
  std::size_t sinks = 0;   // S
  std::size_t window = 0;  // W
  std::size_t batch = 0;   // most tokens between two calls of make_room
  std::size_t rows = 0;    // rows kept in memory; full_rows() or, for a stream that ends before, its length

  // The layer caches of `config`. `batch` is at least 1.
  CacheShape(const ModelConfig& config, std::size_t batch_tokens);
  // The same for a stream of at most `tokens` tokens: less memory where they are few.
  [[nodiscard]] CacheShape limited_to(std::uint64_t tokens) const;
  // Sinks, window and the slack that keeps the window contiguous: it moves down once every `slack` tokens.
  [[nodiscard]] std::size_t full_rows() const;
};

class KvCache {
 public:
  explicit KvCache(const CacheShape& shape);

  // Prepares for up to shape.batch appends, all of whose queries stay answerable until the next call.
  void make_room(std::size_t tokens);
  // key, value: [heads * head_width] of position length().
  void append(std::span<const float> key, std::span<const float> value);
  void clear();
  // Becomes a copy of `other`, of the same heads, sinks and window; copies only the rows in use, which must fit.
  void copy_from(const KvCache& other);

  [[nodiscard]] const CacheShape& shape() const { return shape_; }
  [[nodiscard]] std::uint64_t length() const { return length_; }  // tokens ever appended

  struct Visible {
    std::size_t sink_count;  // rows [0, sink_count)
    std::size_t window_row;  // rows [window_row, window_row + window_count), oldest first
    std::size_t window_count;
  };
  // `position` is one of those appended since the last make_room.
  [[nodiscard]] Visible visible(std::uint64_t position) const;

  // [rows, head_width] of one head.
  [[nodiscard]] std::span<const float> keys(std::size_t head) const { return head_rows(keys_, head); }
  [[nodiscard]] std::span<const float> values(std::size_t head) const { return head_rows(values_, head); }
  [[nodiscard]] std::size_t memory_bytes() const { return (keys_.size() + values_.size()) * sizeof(float); }

 private:
  [[nodiscard]] std::span<const float> head_rows(const AlignedBuffer<float>& buffer, std::size_t head) const {
    return buffer.span().subspan(head * shape_.rows * shape_.head_width, shape_.rows * shape_.head_width);
  }
  [[nodiscard]] std::size_t rows_in_use() const;

  CacheShape shape_;
  AlignedBuffer<float> keys_;    // [heads, rows, head_width]
  AlignedBuffer<float> values_;  // [heads, rows, head_width]
  std::uint64_t length_ = 0;
  std::uint64_t first_in_window_ = 0;  // the position in row S, once there is one
};

}  // namespace bitmar
