#include "model/schema/config.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <string_view>

namespace bitmar {
namespace {

// `change` makes the shipped preset invalid, and the message names what is wrong.
void expect_refused(const std::function<void(ModelConfig&)>& change, std::string_view named) {
  ModelConfig config = bitmar_14m_bitvit();
  change(config);
  const auto valid = config.validate();
  ASSERT_FALSE(valid) << "expected an error that names " << named;
  EXPECT_NE(valid.error().message.find(named), std::string::npos) << valid.error().message;
}

TEST(ModelConfig, PresetsAreValidAndFoundByName) {
  EXPECT_TRUE(bitmar_14m().validate());
  EXPECT_TRUE(bitmar_14m_bitvit().validate());
  EXPECT_EQ(preset("bitmar-14m").value(), bitmar_14m());
  EXPECT_EQ(preset("bitmar-14m-bitvit").value(), bitmar_14m_bitvit());
  EXPECT_FALSE(preset("bitmar-15m"));
  EXPECT_EQ(bitmar_14m().head_width(), 32u);
  EXPECT_EQ(bitmar_14m().cache_tokens(), 1024u);
}

TEST(VisionTowerConfig, PresetsAreValidAndFoundByName) {
  for (const auto* name : {"vit-tiny-16", "bitvit-tiny", "dinov2-small", "dinov2-base", "dinov2-large",
                           "dinov2-small-registers", "dinov2-base-registers", "dinov2-large-registers"}) {
    const auto tower = tower_preset(name);
    ASSERT_TRUE(tower) << name;
    EXPECT_TRUE(tower->validate()) << name;
  }
  EXPECT_EQ(tower_preset("vit-tiny-16")->patches(), 196u);
  EXPECT_EQ(tower_preset("dinov2-base")->patches(), 256u);
  EXPECT_EQ(tower_preset("dinov2-base-registers")->register_tokens, 4u);
  EXPECT_FALSE(tower_preset("dinov2-huge"));
}

TEST(ModelConfig, RefusesSizesThatCannotBe) {
  expect_refused([](ModelConfig& c) { c.vocabulary = 1; }, "vocabulary");
  expect_refused([](ModelConfig& c) { c.vocabulary = ~0u; }, "vocabulary");
  expect_refused([](ModelConfig& c) { c.width = 0; }, "width");
  expect_refused([](ModelConfig& c) { c.width = 1u << 20; }, "width");
  expect_refused([](ModelConfig& c) { c.heads = 0; }, "heads");
  expect_refused([](ModelConfig& c) { c.heads = 3; }, "multiple of heads (3)");
  expect_refused([](ModelConfig& c) { c.heads = 128; }, "rotary pair");
  expect_refused([](ModelConfig& c) { c.ffn_hidden = 0; }, "ffn_hidden");
  expect_refused([](ModelConfig& c) { c.encoder_layers = 0; }, "encoder_layers");
  expect_refused([](ModelConfig& c) { c.decoder_layers = 257; }, "decoder_layers");
  expect_refused([](ModelConfig& c) { c.sink_tokens = ~0u; }, "sink_tokens");
  expect_refused([](ModelConfig& c) { c.window_tokens = 0; }, "window_tokens");
  expect_refused([](ModelConfig& c) { c.training_length = 1025; }, "training_length");
  expect_refused([](ModelConfig& c) { c.vision_width = 0; }, "vision_width");
  expect_refused([](ModelConfig& c) { c.compression_hidden = 0; }, "compression_hidden");
}

TEST(ModelConfig, RefusesNumbersThatAreNotOrOutOfRange) {
  expect_refused([](ModelConfig& c) { c.rope_base = NAN; }, "rope_base");
  expect_refused([](ModelConfig& c) { c.rope_base = INFINITY; }, "rope_base");
  expect_refused([](ModelConfig& c) { c.norm_epsilon = 0.0f; }, "norm_epsilon");
  expect_refused([](ModelConfig& c) { c.memory_write_rate = 1.5f; }, "memory_write_rate");
  expect_refused([](ModelConfig& c) { c.memory_usage_decay = -0.1f; }, "memory_usage_decay");
  expect_refused([](ModelConfig& c) { c.memory_usage_floor = 0.0f; }, "memory_usage_floor");
  expect_refused([](ModelConfig& c) { c.memory_usage_penalty = NAN; }, "memory_usage_penalty");
  expect_refused([](ModelConfig& c) { c.memory_write_slots = 513; }, "memory_write_slots");
  expect_refused([](ModelConfig& c) { c.memory_slots = 0; }, "memory_slots");
}

TEST(ModelConfig, IgnoresTheMemorysNumbersWhereItIsOff) {
  ModelConfig config = bitmar_14m();
  config.memory = false;
  config.memory_slots = 0;
  EXPECT_TRUE(config.validate());
}

TEST(ModelConfig, RefusesATowerThatCannotBeOrDoesNotFit) {
  expect_refused([](ModelConfig& c) { c.vision_width = 768; }, "must equal the width of the tower's features (192)");
  expect_refused([](ModelConfig& c) { c.tower->patch_size = 0; }, "vision_tower.patch_size");
  expect_refused([](ModelConfig& c) { c.tower->patch_size = 15; }, "vision_tower.patch_size (15)");
  expect_refused([](ModelConfig& c) { c.tower->image_size = 8192; }, "vision_tower.image_size");
  expect_refused([](ModelConfig& c) { c.tower->heads = 5; }, "vision_tower.heads (5)");
  expect_refused([](ModelConfig& c) { c.tower->depth = 0; }, "vision_tower.depth");
  expect_refused([](ModelConfig& c) { c.tower->mlp_hidden = 0; }, "vision_tower.mlp_hidden");
  expect_refused([](ModelConfig& c) { c.tower->register_tokens = 65; }, "vision_tower.register_tokens");
  expect_refused([](ModelConfig& c) { c.tower->position_grid = 0; }, "vision_tower.position_grid");
  expect_refused([](ModelConfig& c) { c.tower->mean[1] = NAN; }, "vision_tower.mean");
  expect_refused([](ModelConfig& c) { c.tower->deviation[2] = 0.0f; }, "vision_tower.deviation");
  expect_refused(
      [](ModelConfig& c) {
        c.tower->fit = ImageFit::kCenterCrop;
        c.tower->resize_shorter = 223;
      },
      "vision_tower.resize_shorter");
}

}  // namespace
}  // namespace bitmar
