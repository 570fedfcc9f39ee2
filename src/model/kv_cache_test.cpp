#include "model/kv_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace bitmar {
namespace {

ModelConfig config_of(std::uint32_t sinks, std::uint32_t window) {
  ModelConfig config;
  config.width = 4;
  config.heads = 2;
  config.sink_tokens = sinks;
  config.window_tokens = window;
  return config;
}

// Scales name the position: the two heads of its key are (p + 1) and (p + 2) times 127, its values half of that.
QuantizedActivations heads_of(std::uint64_t position, float factor) {
  const auto number = static_cast<float>(position);
  const std::vector<float> heads{127 * factor * (number + 1), 0, 127 * factor * (number + 2), 0};
  QuantizedActivations quantized;
  quantize_activations(scalar_kernels(), {heads, 2, 2}, quantized);
  return quantized;
}

void append(KvCache& cache, std::uint64_t position) {
  cache.append(heads_of(position, 1.0f), heads_of(position, 0.5f), 0);
}

// The positions whose keys the query at `position` sees, in order.
std::vector<std::uint64_t> seen_positions(const KvCache& cache, std::uint64_t position) {
  std::vector<std::uint64_t> positions;
  const auto seen = cache.visible(0, position);
  const auto other_head = cache.visible(1, position);
  EXPECT_EQ(seen.count, other_head.count);
  for (std::size_t i = 0; i < seen.count; ++i) {
    const AttentionRange& range = seen.ranges[i];
    for (std::size_t row = range.begin; row < range.end; ++row) {
      EXPECT_EQ(other_head.ranges[i].key_scales[row], range.key_scales[row] + 1);
      EXPECT_EQ(range.value_scales[row], range.key_scales[row] / 2);
      EXPECT_EQ(other_head.ranges[i].value_scales[row], other_head.ranges[i].key_scales[row] / 2);
      positions.push_back(static_cast<std::uint64_t>(range.key_scales[row]) - 1);
    }
  }
  return positions;
}

std::vector<std::uint64_t> expected_positions(const ModelConfig& config, std::uint64_t position) {
  std::vector<std::uint64_t> positions;
  for (std::uint64_t key = 0; key <= position; ++key) {
    if (key < config.sink_tokens || key + config.window_tokens > position) positions.push_back(key);
  }
  return positions;
}

TEST(KvCache, KeepsSinksAndWindowThroughManyWraps) {
  for (const std::uint32_t sinks : {0u, 1u, 3u}) {
    for (const std::uint32_t window : {1u, 2u, 7u}) {
      for (const std::size_t batch : {1u, 3u, 20u}) {
        const ModelConfig config = config_of(sinks, window);
        KvCache cache(scalar_kernels(), CacheShape(config, batch));
        const std::size_t bytes = cache.memory_bytes();
        while (cache.length() < 100) {
          const std::uint64_t first = cache.length();
          for (std::size_t i = 0; i < batch; ++i) append(cache, first + i);
          for (std::uint64_t position = first; position < cache.length(); ++position) {
            ASSERT_EQ(seen_positions(cache, position), expected_positions(config, position))
                << "S=" << sinks << " W=" << window << " batch=" << batch << " position=" << position;
          }
        }
        EXPECT_EQ(cache.memory_bytes(), bytes);
      }
    }
  }
}

TEST(KvCache, APositionHasTheSamePlaceInItsBlockInEveryCache) {
  const ModelConfig config = config_of(2, 7);
  for (const std::size_t batch : {1u, 5u, 40u}) {
    KvCache cache(scalar_kernels(), CacheShape(config, batch));
    for (std::uint64_t position = 0; position < 300; ++position) {
      append(cache, position);
      const auto seen = cache.visible(0, position);
      const AttentionRange& newest = seen.ranges[seen.count - 1];
      EXPECT_EQ((newest.end - 1) % kAttentionBlock, position % kAttentionBlock);
    }
  }
}

TEST(KvCache, ACopyGoesOnAsTheOriginal) {
  const ModelConfig config = config_of(2, 5);
  KvCache original(scalar_kernels(), CacheShape(config, 4));
  for (std::uint64_t position = 0; position < 23; ++position) {
    append(original, position);
  }
  KvCache copy(scalar_kernels(), CacheShape(config, 4).limited_to(40));
  copy.copy_from(original);
  for (std::uint64_t position = 23; position < 40; ++position) {
    append(copy, position);
    EXPECT_EQ(seen_positions(copy, position), expected_positions(config, position));
  }
}

TEST(KvCache, AShortStreamTakesLessMemory) {
  const CacheShape shape(config_of(2, 500), 4);
  KvCache cache(scalar_kernels(), shape.limited_to(6));
  EXPECT_LT(cache.memory_bytes(), KvCache(scalar_kernels(), shape).memory_bytes() / 10);
  for (std::uint64_t position = 0; position < 6; ++position) {
    append(cache, position);
  }
  EXPECT_THAT(seen_positions(cache, 5), ::testing::ElementsAre(0, 1, 2, 3, 4, 5));
  cache.clear();
  EXPECT_EQ(cache.length(), 0u);
  append(cache, 0);
  EXPECT_THAT(seen_positions(cache, 0), ::testing::ElementsAre(0));
}

}  // namespace
}  // namespace bitmar
