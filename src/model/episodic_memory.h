// The episodic memory (docs/model.md): content-addressed reads (Graves et al. 2016), top-m outer-product writes and
// usage-based forgetting, as functions of its state.
//
//   EpisodicMemory memory(model, state);
//   AttentionRange range = memory.range();               // for attend_to_memories in attention.h
//   const auto slots = address_write(model, mean_query, memory.state().usage);
//   MemoryState next = memory.state();
//   apply_write(model.config, mean_query, slots, next);
//   memory.assign(std::move(next));
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "kernels/aligned_buffer.h"
#include "model/attention_rows.h"
#include "model/schema/tensor_codec.h"
#include "model/weights.h"

namespace bitmar {

struct MemoryState {
  std::vector<float> slots;  // M [K, C]
  std::vector<float> usage;  // u [K], each in [0, 1]
  bool operator==(const MemoryState&) const = default;
};

// The state that a model file ships. Errors name the file and the tensor; a usage outside [0, 1] is refused.
[[nodiscard]] Result<MemoryState> load_memory_state(const ModelConfig& config, const TensorDecoder& tensors);

// A state together with what reading derives from it once per change. The model outlives it.
class EpisodicMemory {
 public:
  EpisodicMemory(const BitmarModel& model, MemoryState state);
  void assign(MemoryState state);
  [[nodiscard]] const MemoryState& state() const { return state_; }

  // All slots as keys and values of one head, for a query to be set: a = softmax_k(beta cos(q, M_k) + log(epsilon +
  // u_k)), r = sum_k a_k M_k on the rows' 8-bit codes.
  [[nodiscard]] AttentionRange range() const;
  // What the products of a query's codes are scaled with: beta / |q| times its own scale.
  [[nodiscard]] float query_scale(std::span<const float> query, float scale) const;

 private:
  const Kernels* kernels_;
  float sharpness_;    // beta
  float usage_floor_;  // epsilon
  MemoryState state_;
  AttentionRows rows_;
  AlignedBuffer<float> cosine_scales_;  // [K]: the scale of a row's codes over |M_k|
  AlignedBuffer<float> log_usage_;      // [K]: log(epsilon + u_k)
};

struct SlotWeight {
  std::uint32_t slot;
  float weight;
  bool operator==(const SlotWeight&) const = default;
};

// Where an episode with the mean query q goes: softmax(W_w q - kappa u) on its top m slots, renormalised to sum 1; by
// descending weight, ties by the lower slot. query: [C], usage: [K].
[[nodiscard]] std::vector<SlotWeight> address_write(const BitmarModel& model, std::span<const float> query,
                                                    std::span<const float> usage);

// M_k += alpha w_k (q - M_k) and u_k = max(u_k, w_k / max w) on the given slots.
void apply_write(const ModelConfig& config, std::span<const float> query, std::span<const SlotWeight> slots,
                 MemoryState& state);

// What reading does to the usage, u <- factor * u + offset; once per episode factor is rho and
// offset_k = (1 - rho) min(1, K mean_attention_k).
struct UsageMovement {
  float factor = 1.0f;
  std::vector<float> offset;  // [K]; empty: none
  bool operator==(const UsageMovement&) const = default;

  static UsageMovement of_episode(const ModelConfig& config, std::span<const float> mean_attention);
  // This movement, then `next`.
  [[nodiscard]] UsageMovement then(const UsageMovement& next) const;
  void apply(std::span<float> usage) const;
};

// What reads the memory at each token: q_t, the running or exponential mean of F_1..F_t within an episode.
class EpisodeQuery {
 public:
  explicit EpisodeQuery(std::size_t width) : sum_(width) {}
  void clear();
  // Takes F_t in, writes q_t. fused, query: [C].
  void advance(const ModelConfig& config, const MemoryWeights& weights, std::span<const float> fused,
               std::span<float> query);
  [[nodiscard]] std::uint64_t tokens() const { return tokens_; }

 private:
  std::vector<float> sum_;  // kMean: F_1 + .. + F_t; kExponential: q_t
  std::uint64_t tokens_ = 0;
};

}  // namespace bitmar
