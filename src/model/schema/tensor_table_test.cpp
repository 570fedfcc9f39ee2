#include "model/schema/tensor_table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "model/schema/schema_test_support.h"

namespace bitmar {
namespace {

bool has(const std::vector<TensorSpec>& table, std::string_view name) {
  return std::ranges::any_of(table, [&](const TensorSpec& spec) { return spec.name == name; });
}

TEST(TensorTable, NamesAreUniqueAndFitTheFile) {
  for (const auto& config : {bitmar_14m(), bitmar_14m_bitvit(), testing::tiny_config()}) {
    std::set<std::string> names;
    for (const auto& spec : tensor_table(config)) {
      EXPECT_TRUE(names.insert(spec.name).second) << spec.name;
      EXPECT_LE(spec.name.size() + std::string_view("_scale").size(), 64u) << spec.name;
      EXPECT_LE(spec.shape.size(), 4u);
      EXPECT_GT(spec.elements(), 0u);
      if (spec.kind == TensorKind::kTernary || spec.kind == TensorKind::kInt8Rows) {
        EXPECT_EQ(spec.shape.size(), 2u);
      }
    }
  }
}

TEST(TensorTable, TheMemoryStateIsListedLastAndIsNoParameter) {
  const auto table = tensor_table(testing::tiny_config());
  ASSERT_GE(table.size(), 2u);
  EXPECT_EQ(table[table.size() - 2].name, "memory.slots");
  EXPECT_EQ(table.back().name, "memory.usage");
  EXPECT_EQ(std::ranges::count_if(table, is_memory_state), 2);
  const std::vector<TensorSpec> state(table.end() - 2, table.end());
  EXPECT_EQ(parameter_count(state), 0u);
}

TEST(TensorTable, MemoryOffLeavesNoTrace) {
  ModelConfig config = testing::tiny_config();
  config.memory = false;
  for (const auto& spec : tensor_table(config)) EXPECT_EQ(spec.name.find("memory"), std::string::npos) << spec.name;
}

TEST(TensorTable, OptionsAddTheirTensors) {
  ModelConfig config = testing::tiny_config();
  EXPECT_TRUE(has(tensor_table(config), "memory.query_decay"));
  EXPECT_TRUE(has(tensor_table(config), "vision_tower.register_tokens"));
  EXPECT_TRUE(has(tensor_table(config), "vision_tower.0.attention_scale"));
  EXPECT_FALSE(has(tensor_table(config), "decoder.input.weight"));
  config.query = QueryKind::kMean;
  config.injection = InjectionKind::kConcatenate;
  EXPECT_FALSE(has(tensor_table(config), "memory.query_decay"));
  EXPECT_TRUE(has(tensor_table(config), "decoder.input.weight"));
  EXPECT_FALSE(has(tensor_table(config), "decoder.fusion.weight"));
  config.tower.reset();
  EXPECT_FALSE(has(tensor_table(config), "vision_tower.class_token"));
}

// Counted by hand from the shapes of docs/model.md: weights, one scale a ternary matrix, one scale an int8 row.
TEST(TensorTable, CountsTheParametersOfTheShapes) {
  constexpr std::uint64_t kVocabulary = 50257, d = 128, f = 512, slots = 512;
  const std::uint64_t embedding = kVocabulary * d + kVocabulary;
  const std::uint64_t head = kVocabulary * d + 1;
  const std::uint64_t attention = 4 * (d * d + 1) + 2 * d;
  const std::uint64_t layer = attention + 2 * (2 * d) + 2 * (f * d + 1) + 2 * f;
  const std::uint64_t vision = (384 * 768 + 1) + (d * 384 + 1) + 2 * d + d;
  const std::uint64_t fusion = attention + 2 * d;
  const std::uint64_t memory = 1 + (slots * d + 1);
  const std::uint64_t decoder = 2 * (d * d + 1) + 4 * (layer + (d * d + 1) + 1) + 2 * d;
  const std::uint64_t expected = embedding + head + (4 * layer + 2 * d) + vision + fusion + memory + decoder;
  EXPECT_EQ(parameter_count(tensor_table(bitmar_14m())), expected);
}

}  // namespace
}  // namespace bitmar
