#include "model/episodic_memory.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <numeric>
#include <utility>

#include "kernels/ops.h"
#include "model/schema/tensor_table.h"

namespace bitmar {
namespace {

constexpr float kNormFloor = 1e-8f;  // of |q| and |M_k|: below it the cosine is 0

}  // namespace

Result<MemoryState> load_memory_state(const ModelConfig& config, const TensorDecoder& tensors) {
  MemoryState state;
  for (const auto& spec : tensor_table(config)) {
    if (spec.name == "memory.slots") {
      BITMAR_TRY(state.slots, tensors.floats(spec));
    }
    if (spec.name == "memory.usage") {
      BITMAR_TRY(state.usage, tensors.floats(spec));
    }
  }
  for (const float usage : state.usage) {
    if (!(usage >= 0.0f && usage <= 1.0f)) {
      return fail(ErrorCode::kInvalidFile, "tensor 'memory.usage' holds {}; expected values in [0, 1]", usage);
    }
  }
  return state;
}

EpisodicMemory::EpisodicMemory(const BitmarModel& model, MemoryState state)
    : kernels_(model.kernels),
      sharpness_(model.memory->sharpness),
      usage_floor_(model.config.memory_usage_floor),
      rows_(*model.kernels, 1, model.config.width, model.config.memory_slots),
      cosine_scales_(rows_.rows()),
      log_usage_(rows_.rows()) {
  assert(state.slots.size() == static_cast<std::size_t>(model.config.memory_slots) * model.config.width);
  assert(state.usage.size() == model.config.memory_slots);
  assign(std::move(state));
}

void EpisodicMemory::assign(MemoryState state) {
  state_ = std::move(state);
  const std::size_t count = state_.usage.size();
  const MatrixView<const float> slots(state_.slots, count, state_.slots.size() / count);
  QuantizedActivations codes;
  quantize_heads(*kernels_, slots, codes);
  for (std::size_t slot = 0; slot < count; ++slot) {
    rows_.put(slot, codes, codes, slot);
    const float norm = std::sqrt(dot(*kernels_, slots.row(slot), slots.row(slot)));
    cosine_scales_.data()[slot] = norm > kNormFloor ? codes.inverse_scale(slot) / norm : 0.0f;
    log_usage_.data()[slot] = std::log(usage_floor_ + state_.usage[slot]);
  }
}

AttentionRange EpisodicMemory::range() const {
  AttentionRange range = rows_.range(0, 0, state_.usage.size());
  range.key_scales = cosine_scales_.data();
  range.biases = log_usage_.data();
  return range;
}

float EpisodicMemory::query_scale(std::span<const float> query, float scale) const {
  const float norm = std::sqrt(dot(*kernels_, query, query));
  return norm > kNormFloor ? scale * (sharpness_ / norm) : 0.0f;
}

std::vector<SlotWeight> address_write(const BitmarModel& model, std::span<const float> query,
                                      std::span<const float> usage) {
  QuantizedActivations quantized;
  quantize_activations(*model.kernels, {query, 1, query.size()}, quantized);
  std::vector<float> scores(usage.size());
  model.memory->write.apply(quantized, {scores, 1, scores.size()}, nullptr);
  for (std::size_t slot = 0; slot < scores.size(); ++slot) {
    scores[slot] -= model.config.memory_usage_penalty * usage[slot];
  }
  std::vector<std::uint32_t> order(scores.size());
  std::iota(order.begin(), order.end(), 0u);
  const std::size_t kept = model.config.memory_write_slots;
  std::ranges::partial_sort(
      order, order.begin() + static_cast<std::ptrdiff_t>(kept),
      [&](std::uint32_t a, std::uint32_t b) { return scores[a] != scores[b] ? scores[a] > scores[b] : a < b; });
  // The softmax over all slots, restricted and renormalised, is the softmax over those kept.
  std::vector<float> weights(kept);
  for (std::size_t i = 0; i < kept; ++i) weights[i] = scores[order[i]];
  softmax(*model.kernels, weights);
  std::vector<SlotWeight> slots(kept);
  for (std::size_t i = 0; i < kept; ++i) slots[i] = {order[i], weights[i]};
  return slots;
}

void apply_write(const ModelConfig& config, std::span<const float> query, std::span<const SlotWeight> slots,
                 MemoryState& state) {
  float largest = 0.0f;
  for (const auto& [slot, weight] : slots) largest = std::max(largest, weight);
  for (const auto& [slot, weight] : slots) {
    const auto row = std::span(state.slots).subspan(slot * query.size(), query.size());
    const float step = config.memory_write_rate * weight;
    for (std::size_t i = 0; i < row.size(); ++i) row[i] += step * (query[i] - row[i]);
    state.usage[slot] = std::max(state.usage[slot], weight / largest);
  }
}

UsageMovement UsageMovement::of_episode(const ModelConfig& config, std::span<const float> mean_attention) {
  UsageMovement movement;
  movement.factor = config.memory_usage_decay;
  movement.offset.reserve(mean_attention.size());
  const auto slots = static_cast<float>(mean_attention.size());
  for (const float mean : mean_attention) {
    movement.offset.push_back((1.0f - config.memory_usage_decay) * std::min(1.0f, slots * mean));
  }
  return movement;
}

UsageMovement UsageMovement::then(const UsageMovement& next) const {
  if (offset.empty()) return next;
  if (next.offset.empty()) return *this;
  UsageMovement both;
  both.factor = factor * next.factor;
  both.offset.reserve(offset.size());
  for (std::size_t slot = 0; slot < offset.size(); ++slot) {
    both.offset.push_back(next.factor * offset[slot] + next.offset[slot]);
  }
  return both;
}

void UsageMovement::apply(std::span<float> usage) const {
  // Rounding may carry a slot that is read all the time past 1.
  for (std::size_t slot = 0; slot < offset.size(); ++slot) {
    usage[slot] = std::min(1.0f, factor * usage[slot] + offset[slot]);
  }
}

void EpisodeQuery::clear() {
  std::ranges::fill(sum_, 0.0f);
  tokens_ = 0;
}

void EpisodeQuery::advance(const ModelConfig& config, const MemoryWeights& weights, std::span<const float> fused,
                           std::span<float> query) {
  ++tokens_;
  if (config.query == QueryKind::kMean) {
    const float share = 1.0f / static_cast<float>(tokens_);
    for (std::size_t i = 0; i < sum_.size(); ++i) {
      sum_[i] += fused[i];
      query[i] = sum_[i] * share;
    }
    return;
  }
  const float decay = tokens_ == 1 ? 0.0f : weights.query_decay;
  for (std::size_t i = 0; i < sum_.size(); ++i) {
    sum_[i] = decay * sum_[i] + (1.0f - decay) * fused[i];
    query[i] = sum_[i];
  }
}

}  // namespace bitmar
