#include "model/kv_cache.h"

#include <algorithm>
#include <cassert>

namespace bitmar {
// The ring is whole blocks, so that a position's place in its block, and with it the order of every sum, depends on
// nothing but the position.
CacheShape::CacheShape(const ModelConfig& config, std::size_t batch_tokens)
    : heads(config.heads),
      head_width(config.head_width()),
      sinks(config.sink_tokens),
      window(config.window_tokens),
      batch(std::max<std::size_t>(batch_tokens, 1)),
      ring(whole_blocks(window + batch)) {}

CacheShape CacheShape::limited_to(std::uint64_t tokens) const {
  CacheShape limited = *this;
  limited.ring =
      whole_blocks(static_cast<std::size_t>(std::min<std::uint64_t>(ring, std::max<std::uint64_t>(tokens, 1))));
  return limited;
}

std::size_t CacheShape::visible_rows() const {
  return whole_blocks(sinks) + whole_blocks(window) + 2 * kAttentionBlock;
}

KvCache::KvCache(const Kernels& kernels, const CacheShape& shape)
    : shape_(shape),
      sinks_(kernels, shape.heads, shape.head_width, shape.sinks),
      window_(kernels, shape.heads, shape.head_width, shape.ring) {}

void KvCache::append(const QuantizedActivations& keys, const QuantizedActivations& values, std::size_t token) {
  if (length_ < shape_.sinks) {
    sinks_.put(static_cast<std::size_t>(length_), keys, values, token);
  } else {
    window_.put(static_cast<std::size_t>(length_ % shape_.ring), keys, values, token);
  }
  ++length_;
}

void KvCache::copy_from(const KvCache& other) {
  assert(shape_.sinks == other.shape_.sinks && shape_.window == other.shape_.window);
  assert(shape_.ring == other.shape_.ring || other.length_ <= std::min(shape_.ring, other.shape_.ring));
  sinks_.copy_first(other.sinks_, static_cast<std::size_t>(std::min<std::uint64_t>(other.length_, shape_.sinks)));
  window_.copy_first(other.window_, static_cast<std::size_t>(std::min<std::uint64_t>(other.length_, shape_.ring)));
  length_ = other.length_;
}

KvCache::Visible KvCache::visible(std::size_t head, std::uint64_t position) const {
  assert(position < length_ && position + shape_.batch >= length_);
  Visible seen;
  if (shape_.sinks > 0) {
    const auto sinks = static_cast<std::size_t>(std::min<std::uint64_t>(position + 1, shape_.sinks));
    seen.ranges[seen.count++] = sinks_.range(head, 0, sinks);
    seen.sink_ranges = 1;
  }
  if (position < shape_.sinks) return seen;
  const std::uint64_t oldest =
      std::max<std::uint64_t>(shape_.sinks, position + 1 - std::min<std::uint64_t>(position + 1, shape_.window));
  const auto begin = static_cast<std::size_t>(oldest % shape_.ring);
  const auto end = static_cast<std::size_t>(position % shape_.ring) + 1;
  if (begin < end) {
    seen.ranges[seen.count++] = window_.range(head, begin, end);
  } else {
    seen.ranges[seen.count++] = window_.range(head, begin, shape_.ring);
    seen.ranges[seen.count++] = window_.range(head, 0, end);
  }
  return seen;
}

}  // namespace bitmar
