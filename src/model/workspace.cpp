#include "model/workspace.h"

#include <algorithm>

#include "kernels/ops.h"

namespace bitmar {

Workspace::Workspace(const ModelConfig& config, std::size_t rows, std::size_t threads)
    : quantized(rows, std::max(std::size_t{3} * config.width, std::size_t{config.ffn_hidden})),
      quantized_retrieved(rows, config.width),
      quantized_memory_query(rows, config.width),
      quantized_query(rows * config.heads, config.head_width()),
      quantized_sink_query(rows * config.heads, config.head_width()),
      quantized_key(rows * config.heads, config.head_width()),
      quantized_value(rows * config.heads, config.head_width()),
      rows_(rows),
      threads_(std::max<std::size_t>(threads, 1)),
      keys_(std::max(CacheShape(config, rows).visible_rows(), whole_blocks(config.memory_slots))) {
  const std::size_t width = config.width;
  for (auto* buffer : {&embedded, &hidden, &normed, &query, &sink_query, &key, &value, &attended, &projected, &fused,
                       &memory_query, &retrieved}) {
    buffer->resize(rows * width);
  }
  ffn.resize(rows * config.ffn_hidden);
  if (config.memory) attention.resize(rows * config.memory_slots);
  if (config.injection == InjectionKind::kConcatenate) joined.resize(rows * 3 * width);
  for (auto* buffer : {&cosines, &sines, &sink_cosines, &sink_sines}) {
    buffer->resize(rows * (config.head_width() / 2));
  }
  rope_frequencies = bitmar::rope_frequencies(config.head_width(), config.rope_base);
  positions.resize(rows);
  row_caches.resize(rows);
  scores_.resize(threads_ * keys_);
}

void Workspace::reserve_image(std::size_t tokens) {
  if (whole_blocks(tokens) <= keys_) return;
  keys_ = whole_blocks(tokens);
  scores_.resize(threads_ * keys_);
}

std::size_t Workspace::memory_bytes() const {
  std::size_t floats = scores_.size();
  for (const auto* buffer :
       {&embedded, &hidden, &normed, &query, &sink_query, &key, &value, &attended, &projected, &ffn, &fused,
        &memory_query, &retrieved, &attention, &joined, &cosines, &sines, &sink_cosines, &sink_sines}) {
    floats += buffer->size();
  }
  return floats * sizeof(float);
}

}  // namespace bitmar
