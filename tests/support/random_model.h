// Small models of random numbers, complete with tokenizer and memory, for tests of model and runtime.
//
//   const auto engine = random_engine(small_config(), 7);
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "model/schema/config.h"

namespace bitmar {
class Engine;
}

namespace bitmar::testing {

// Two layers a stack, S = 2, W = 5, 260 tokens (256 bytes, three merges, the end of text), 6 memory slots, no tower.
[[nodiscard]] ModelConfig small_config();

// A ternary tower of two blocks that takes 16 x 16 pixels in 4 x 4 patches.
[[nodiscard]] VisionTowerConfig small_tower(std::uint32_t width);

enum class OutputHead {
  kRandom,
  kZero,  // all logits are 0: every token is as likely as any other
};

// A model file. The same config and seed give the same bytes.
[[nodiscard]] std::vector<std::byte> random_model_file(const ModelConfig& config, std::uint64_t seed,
                                                       OutputHead head = OutputHead::kRandom);
// The engine of such a file; in bitmar_test_support, not in bitmar_model_support.
[[nodiscard]] std::shared_ptr<const Engine> random_engine(const ModelConfig& config, std::uint64_t seed,
                                                          OutputHead head = OutputHead::kRandom);

// Token ids below the end of text.
[[nodiscard]] std::vector<std::uint32_t> random_tokens(const ModelConfig& config, std::size_t count,
                                                       std::uint64_t seed);
// Patch features [count, vision_width].
[[nodiscard]] std::vector<float> random_features(const ModelConfig& config, std::size_t count, std::uint64_t seed);

}  // namespace bitmar::testing
