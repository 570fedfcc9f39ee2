#include "model/sequence.h"

#include <algorithm>

namespace bitmar {

void EpisodeState::clear() {
  query.clear();
  std::ranges::fill(last_query, 0.0f);
  std::ranges::fill(attention_sum, 0.0);
  reads = 0;
}

std::vector<float> EpisodeState::mean_attention() const {
  std::vector<float> mean(attention_sum.size());
  for (std::size_t slot = 0; slot < mean.size() && reads > 0; ++slot) {
    mean[slot] = static_cast<float>(attention_sum[slot] / static_cast<double>(reads));
  }
  return mean;
}

SequenceState::SequenceState(const ModelConfig& config, const Kernels& kernels, const CacheShape& shape)
    : episode(config) {
  encoder.reserve(config.encoder_layers);
  decoder.reserve(config.decoder_layers);
  for (std::uint32_t layer = 0; layer < config.encoder_layers; ++layer) encoder.emplace_back(kernels, shape);
  for (std::uint32_t layer = 0; layer < config.decoder_layers; ++layer) decoder.emplace_back(kernels, shape);
}

void SequenceState::clear() {
  for (auto& cache : encoder) cache.clear();
  for (auto& cache : decoder) cache.clear();
  position = 0;
  episode.clear();
}

void SequenceState::copy_from(const SequenceState& other) {
  for (std::size_t layer = 0; layer < encoder.size(); ++layer) encoder[layer].copy_from(other.encoder[layer]);
  for (std::size_t layer = 0; layer < decoder.size(); ++layer) decoder[layer].copy_from(other.decoder[layer]);
  position = other.position;
  episode = other.episode;
}

std::size_t SequenceState::memory_bytes() const {
  std::size_t sum = 0;
  for (const auto& cache : encoder) sum += cache.memory_bytes();
  for (const auto& cache : decoder) sum += cache.memory_bytes();
  return sum + (episode.last_query.size() * 2) * sizeof(float) + episode.attention_sum.size() * sizeof(double);
}

}  // namespace bitmar
