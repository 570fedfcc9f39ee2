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

// The key of a position, different in every head: its first number names the position.
std::vector<float> key_of(std::uint64_t position) {
  const auto number = static_cast<float>(position);
  return {number, 1, -number, 2};
}
std::vector<float> value_of(std::uint64_t position) {
  const auto number = static_cast<float>(position) + 0.5f;
  return {number, 1, -number, 2};
}

// The positions whose keys the query at `position` sees, in order.
std::vector<std::uint64_t> seen_positions(const KvCache& cache, std::uint64_t position) {
  const auto seen = cache.visible(position);
  std::vector<std::uint64_t> positions;
  for (std::size_t i = 0; i < seen.sink_count + seen.window_count; ++i) {
    const std::size_t row = i < seen.sink_count ? i : seen.window_row + i - seen.sink_count;
    const float number = cache.keys(0)[row * 2];
    EXPECT_EQ(cache.keys(1)[row * 2], -number);
    EXPECT_EQ(cache.values(0)[row * 2], number + 0.5f);
    EXPECT_EQ(cache.values(1)[row * 2], -number - 0.5f);
    positions.push_back(static_cast<std::uint64_t>(number));
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
        KvCache cache(CacheShape(config, batch));
        const std::size_t bytes = cache.memory_bytes();
        while (cache.length() < 100) {
          const std::uint64_t first = cache.length();
          cache.make_room(batch);
          for (std::size_t i = 0; i < batch; ++i) cache.append(key_of(first + i), value_of(first + i));
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

TEST(KvCache, ACopyGoesOnAsTheOriginal) {
  const ModelConfig config = config_of(2, 5);
  KvCache original(CacheShape(config, 4));
  for (std::uint64_t position = 0; position < 23; ++position) {
    original.make_room(1);
    original.append(key_of(position), value_of(position));
  }
  KvCache copy(CacheShape(config, 4).limited_to(40));
  copy.copy_from(original);
  for (std::uint64_t position = 23; position < 40; ++position) {
    copy.make_room(1);
    copy.append(key_of(position), value_of(position));
    EXPECT_EQ(seen_positions(copy, position), expected_positions(config, position));
  }
}

TEST(KvCache, AShortStreamTakesLessMemory) {
  const CacheShape shape(config_of(2, 500), 4);
  KvCache cache(shape.limited_to(6));
  EXPECT_EQ(cache.memory_bytes(), 2u * 6u * 4u * sizeof(float));
  for (std::uint64_t position = 0; position < 6; ++position) {
    cache.make_room(1);
    cache.append(key_of(position), value_of(position));
  }
  EXPECT_THAT(seen_positions(cache, 5), ::testing::ElementsAre(0, 1, 2, 3, 4, 5));
  cache.clear();
  EXPECT_EQ(cache.length(), 0u);
  cache.make_room(1);
  cache.append(key_of(0), value_of(0));
  EXPECT_THAT(seen_positions(cache, 0), ::testing::ElementsAre(0));
}

}  // namespace
}  // namespace bitmar
