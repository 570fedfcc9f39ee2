#include "model/kv_cache.h"

#include <algorithm>
#include <cassert>

namespace bitmar {

CacheShape::CacheShape(const ModelConfig& config, std::size_t batch_tokens)
    : heads(config.heads),
      head_width(config.head_width()),
      sinks(config.sink_tokens),
      window(config.window_tokens),
      batch(std::max<std::size_t>(batch_tokens, 1)),
      rows(full_rows()) {}

CacheShape CacheShape::limited_to(std::uint64_t tokens) const {
  CacheShape limited = *this;
  limited.rows = static_cast<std::size_t>(std::min<std::uint64_t>(full_rows(), std::max<std::uint64_t>(tokens, 1)));
  return limited;
}

std::size_t CacheShape::full_rows() const {
  return sinks + window + std::max(batch, window / 4);
}

KvCache::KvCache(const CacheShape& shape)
    : shape_(shape),
      keys_(shape.heads * shape.rows * shape.head_width),
      values_(shape.heads * shape.rows * shape.head_width),
      first_in_window_(shape.sinks) {}

std::size_t KvCache::rows_in_use() const {
  if (length_ <= shape_.sinks) return static_cast<std::size_t>(length_);
  return shape_.sinks + static_cast<std::size_t>(length_ - first_in_window_);
}

void KvCache::make_room(std::size_t tokens) {
  assert(tokens <= shape_.batch);
  if (rows_in_use() + tokens <= shape_.rows) return;
  // The next query sees itself and the W - 1 tokens before it.
  const std::size_t held = rows_in_use() - std::min(rows_in_use(), shape_.sinks);
  const std::size_t kept = std::min(held, shape_.window - 1);
  const std::size_t dropped = held - kept;
  assert(rows_in_use() - dropped + tokens <= shape_.rows);
  for (std::size_t head = 0; head < shape_.heads; ++head) {
    for (auto* buffer : {&keys_, &values_}) {
      float* window = buffer->data() + (head * shape_.rows + shape_.sinks) * shape_.head_width;
      const float* first = window + dropped * shape_.head_width;
      std::copy(first, first + kept * shape_.head_width, window);
    }
  }
  first_in_window_ += dropped;
}

void KvCache::append(std::span<const float> key, std::span<const float> value) {
  assert(key.size() == shape_.heads * shape_.head_width && value.size() == key.size());
  const std::size_t row = rows_in_use();
  assert(row < shape_.rows);
  for (std::size_t head = 0; head < shape_.heads; ++head) {
    const std::size_t target = (head * shape_.rows + row) * shape_.head_width;
    std::ranges::copy(key.subspan(head * shape_.head_width, shape_.head_width), keys_.data() + target);
    std::ranges::copy(value.subspan(head * shape_.head_width, shape_.head_width), values_.data() + target);
  }
  ++length_;
}

void KvCache::clear() {
  length_ = 0;
  first_in_window_ = shape_.sinks;
}

void KvCache::copy_from(const KvCache& other) {
  const std::size_t rows = other.rows_in_use();
  assert(rows <= shape_.rows && shape_.heads == other.shape_.heads && shape_.head_width == other.shape_.head_width);
  assert(shape_.sinks == other.shape_.sinks && shape_.window == other.shape_.window);
  for (std::size_t head = 0; head < shape_.heads; ++head) {
    const std::size_t target = head * shape_.rows * shape_.head_width;
    std::ranges::copy(other.keys(head).first(rows * shape_.head_width), keys_.data() + target);
    std::ranges::copy(other.values(head).first(rows * shape_.head_width), values_.data() + target);
  }
  length_ = other.length_;
  first_in_window_ = other.first_in_window_;
}

KvCache::Visible KvCache::visible(std::uint64_t position) const {
  assert(position < length_);
  const auto sink_count = static_cast<std::size_t>(std::min<std::uint64_t>(position + 1, shape_.sinks));
  if (position < shape_.sinks) return {sink_count, 0, 0};
  const std::uint64_t oldest =
      std::max<std::uint64_t>(shape_.sinks, position + 1 - std::min<std::uint64_t>(position + 1, shape_.window));
  assert(oldest >= first_in_window_);
  return {sink_count, shape_.sinks + static_cast<std::size_t>(oldest - first_in_window_),
          static_cast<std::size_t>(position + 1 - oldest)};
}

}  // namespace bitmar
