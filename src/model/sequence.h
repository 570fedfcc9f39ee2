// What one token stream leaves behind: the attention caches of both stacks, and the episode that is going on.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "model/episodic_memory.h"
#include "model/kv_cache.h"
#include "model/schema/config.h"

namespace bitmar {

// From the last write (or the start) on: the query, and what was read.
struct EpisodeState {
  explicit EpisodeState(const ModelConfig& config)
      : query(config.width), last_query(config.width), attention_sum(config.memory ? config.memory_slots : 0) {}
  void clear();
  // a-bar [K]: the mean of a_t over the episode's reads; all zero where there were none.
  [[nodiscard]] std::vector<float> mean_attention() const;

  EpisodeQuery query;
  std::vector<float> last_query;      // q_t of the last token [C]
  std::vector<double> attention_sum;  // [K]; double: an episode may be a long stream
  std::uint64_t reads = 0;
};

struct SequenceState {
  // For a stream of any length, or (limited) of at most `tokens` tokens.
  SequenceState(const ModelConfig& config, const Kernels& kernels, const CacheShape& shape);

  void clear();
  void copy_from(const SequenceState& other);
  [[nodiscard]] std::size_t memory_bytes() const;

  std::vector<KvCache> encoder;  // one a layer
  std::vector<KvCache> decoder;
  std::uint64_t position = 0;  // tokens so far
  EpisodeState episode;
};

}  // namespace bitmar
