// The attention cache of one layer and one sequence: the first S tokens for ever (sinks), and a ring of the last W
// (docs/model.md, "Attention sinks"; Xiao et al. 2023). Constant memory for a stream of any length; keys are stored
// rotated at their absolute position and never rotated again. Keys and values are 8-bit codes with a scale a head.
//
//   cache.append(keys, values, token);                   // quantized heads of the next position
//   const auto seen = cache.visible(head, position);     // what the query at `position` attends to
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "model/attention_rows.h"
#include "model/schema/config.h"

namespace bitmar {

struct CacheShape {
  std::size_t heads = 0;
  std::size_t head_width = 0;
  std::size_t sinks = 0;   // S
  std::size_t window = 0;  // W
  std::size_t batch = 0;   // most tokens appended before the first of them is asked for
  std::size_t ring = 0;    // rows of the ring: those of a stream of any length, or fewer for one that ends before

  // The layer caches of `config`. `batch_tokens` is at least 1.
  CacheShape(const ModelConfig& config, std::size_t batch_tokens);
  // The same for a stream of at most `tokens` tokens: less memory where they are few.
  [[nodiscard]] CacheShape limited_to(std::uint64_t tokens) const;
  // Most rows that one query's ranges touch, in whole blocks.
  [[nodiscard]] std::size_t visible_rows() const;
};

class KvCache {
 public:
  KvCache(const Kernels& kernels, const CacheShape& shape);

  // The quantized heads of position length(): rows [token * heads, (token + 1) * heads) of `keys` and `values`.
  void append(const QuantizedActivations& keys, const QuantizedActivations& values, std::size_t token);
  void clear() { length_ = 0; }
  // Becomes a copy of `other`, of the same heads, sinks and window; what is in use must fit.
  void copy_from(const KvCache& other);

  [[nodiscard]] const CacheShape& shape() const { return shape_; }
  [[nodiscard]] std::uint64_t length() const { return length_; }  // tokens ever appended
  [[nodiscard]] std::size_t memory_bytes() const { return sinks_.memory_bytes() + window_.memory_bytes(); }

  // Rows by ascending position. The sinks come first, in a range of their own, where there are any.
  struct Visible {
    std::array<AttentionRange, 3> ranges;
    std::size_t sink_ranges = 0;  // 0 or 1
    std::size_t count = 0;
  };
  // `position` is one of the last shape().batch appended.
  [[nodiscard]] Visible visible(std::size_t head, std::uint64_t position) const;

  [[nodiscard]] const AttentionRows& sinks() const { return sinks_; }
  [[nodiscard]] const AttentionRows& window() const { return window_; }

 private:
  CacheShape shape_;
  AttentionRows sinks_;   // row = position, below S
  AttentionRows window_;  // row = position modulo the ring, for every position from S on
  std::uint64_t length_ = 0;
};

}  // namespace bitmar
