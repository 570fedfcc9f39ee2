#include "model/schema/config_gguf.h"

#include <gtest/gtest.h>

#include <string>

#include "model/schema/schema_test_support.h"

namespace bitmar {
namespace {

// The file that a writer makes, kept with its bytes.
struct File {
  std::vector<std::byte> bytes;
  Result<GgufFile> parsed = fail(ErrorCode::kNotFound, "not parsed");

  // `tensors` empty ones stand for the blocks'.
  explicit File(GgufWriter writer, int tensors = 300) {
    for (int i = 0; i < tensors; ++i) writer.add_tensor(std::to_string(i), GgufType::kI8, {0}, {});
    bytes = writer.serialize();
    parsed = GgufFile::parse(bytes, "m.gguf");
  }
};

ModelConfig unusual_config() {
  ModelConfig config = testing::tiny_config();
  config.rope_base = 500.0f;
  config.norm_epsilon = 3e-4f;
  config.sink_tokens = 2;
  config.training_length = 14;
  config.memory_write_rate = 0.3f;
  config.memory_usage_decay = 0.5f;
  config.memory_usage_floor = 0.02f;
  config.memory_usage_penalty = 2.0f;
  config.injection = InjectionKind::kConcatenate;
  config.memory = false;
  config.tower->name = "naïve";
  config.tower->precision = TowerPrecision::kInt8;
  config.tower->position_antialias = true;
  config.tower->class_feature = true;
  config.vision_width = config.tower->feature_width();
  config.tower->norm_epsilon = 2e-5f;
  config.tower->mean = {0.1f, 0.2f, 0.3f};
  config.tower->deviation = {0.4f, 0.5f, 0.6f};
  config.tower->fit = ImageFit::kCenterCrop;
  config.tower->resize_shorter = 9;
  return config;
}

TEST(ConfigGguf, RoundTripsEveryField) {
  for (const auto& config :
       {bitmar_14m(), bitmar_14m_bitvit(), bitmar_14m_bitvit_class(), testing::tiny_config(), unusual_config()}) {
    GgufWriter writer(kModelArchitecture);
    write_config(config, writer);
    const File file(writer);
    const auto read = read_config(*file.parsed);
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(*read, config);
  }
}

// Older files lack the key, and those of such towers stay as they were.
TEST(ConfigGguf, AClassFeatureIsWrittenWhereThereIsOne) {
  for (const bool class_feature : {false, true}) {
    VisionTowerConfig tower = *bitmar_14m_bitvit().tower;
    tower.class_feature = class_feature;
    GgufWriter writer(kTowerArchitecture);
    write_tower_config(tower, writer);
    EXPECT_EQ(File(writer).parsed->contains("bitmar.vision_tower.class_feature"), class_feature);
  }
}

TEST(ConfigGguf, ReadsATowerFromATowersFileAndFromAModels) {
  const VisionTowerConfig tower = tower_preset("dinov2-base-registers").value();
  GgufWriter alone(kTowerArchitecture);
  write_tower_config(tower, alone);
  const File tower_file(alone);
  EXPECT_EQ(read_tower_config(*tower_file.parsed).value(), tower);
  const auto as_model = read_config(*tower_file.parsed);
  ASSERT_FALSE(as_model);
  EXPECT_EQ(as_model.error().message, "m.gguf: general.architecture is 'bitmar-tower'; expected 'bitmar'");

  GgufWriter model(kModelArchitecture);
  write_config(bitmar_14m_bitvit(), model);
  EXPECT_EQ(read_tower_config(*File(model).parsed).value(), *bitmar_14m_bitvit().tower);

  GgufWriter without(kModelArchitecture);
  write_config(bitmar_14m(), without);
  const auto none = read_tower_config(*File(without).parsed);
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, ErrorCode::kNotFound);
}

TEST(ConfigGguf, EveryKeyIsRequiredAndTyped) {
  GgufWriter complete(kModelArchitecture);
  write_config(testing::tiny_config(), complete);
  const File file(complete);
  std::size_t keys = 0;
  for (const auto& [dropped, unused] : file.parsed->metadata()) {
    if (dropped.starts_with("general.")) continue;
    ++keys;
    GgufWriter missing(kModelArchitecture);
    GgufWriter mistyped(kModelArchitecture);
    for (const auto& [key, value] : file.parsed->metadata()) {
      if (key != dropped) missing.set(key, value);
      mistyped.set(key, key == dropped ? GgufValue(std::int8_t{1}) : value);
    }
    const auto without = read_config(*File(missing).parsed);
    ASSERT_FALSE(without) << dropped;
    EXPECT_EQ(without.error().message, "m.gguf: key '" + dropped + "' is missing");
    const auto other = read_config(*File(mistyped).parsed);
    ASSERT_FALSE(other) << dropped;
    EXPECT_EQ(other.error().message, "m.gguf: key '" + dropped + "' has an unexpected type");
  }
  EXPECT_EQ(keys, 22u + 18u);
}

TEST(ConfigGguf, RefusesMoreBlocksThanItHasTensorsFor) {
  GgufWriter model(kModelArchitecture);
  write_config(bitmar_14m_bitvit(), model);
  EXPECT_TRUE(read_config(*File(model, 200).parsed));
  const auto refused = read_config(*File(model, 199).parsed);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message, "m.gguf: the block counts add up to 20, but the file has only 199 tensors");
  EXPECT_FALSE(read_tower_config(*File(model, 119).parsed));
}

TEST(ConfigGguf, NamesFileKeyAndExpectation) {
  const auto error_with = [](std::string_view key, GgufValue value) {
    GgufWriter writer(kModelArchitecture);
    write_config(testing::tiny_config(), writer);
    writer.set(key, std::move(value));
    const auto read = read_config(*File(writer).parsed);
    return read ? "no error" : read.error().message;
  };
  EXPECT_EQ(error_with("bitmar.memory.query", std::string("median")),
            "m.gguf: key 'bitmar.memory.query' is 'median'; expected 'mean' or 'exponential'");
  EXPECT_EQ(error_with("bitmar.vision_tower.image_std", std::vector<float>{1.0f}),
            "m.gguf: key 'bitmar.vision_tower.image_std' has 1 elements; expected 3");
  EXPECT_EQ(error_with("bitmar.vocab_size", std::uint32_t{0}), "m.gguf: vocabulary is 0; expected 2 to 1048576");
  EXPECT_EQ(error_with("bitmar.vision_tower.image_std", std::vector<float>{1.0f, std::stof("nan"), 1.0f}),
            "m.gguf: vision_tower.deviation is nan; expected 0.001 to 10");
  EXPECT_EQ(error_with("general.architecture", std::string("llama")),
            "m.gguf: general.architecture is 'llama'; expected 'bitmar'");
}

}  // namespace
}  // namespace bitmar
