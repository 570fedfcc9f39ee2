#include "runtime/caption_batch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "tests/support/random_model.h"

namespace bitmar {
namespace {

using ::testing::ElementsAreArray;
using ::testing::HasSubstr;
using testing::random_engine;
using testing::random_features;
using testing::small_config;

CaptionBatch open(const std::shared_ptr<const Engine>& engine, std::size_t photos, std::size_t threads) {
  std::vector<Session> sessions;
  for (std::size_t i = 0; i < photos; ++i) {
    sessions.push_back(Session::open(engine, {.memory = MemoryMode::kReadOnly, .threads = threads}).value());
  }
  return CaptionBatch::open(std::move(sessions)).value();
}

Image random_photo(std::uint64_t seed) {
  Image photo{20, 17, std::vector<std::uint8_t>(3 * 20 * 17)};
  Random random(seed);
  for (auto& value : photo.pixels) value = static_cast<std::uint8_t>(random.below(256));
  return photo;
}

TEST(CaptionBatch, CaptionsAreThoseOfPhotosAlone) {
  ModelConfig config = small_config();
  config.ffn_hidden = 3000;  // 11 rows of an FFN product are enough work for threads
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    const auto engine = random_engine(config, seed);
    for (const std::size_t width : {1u, 3u, 4u}) {
      // The greedy captions end at different lengths, or never.
      const CaptionOptions options{{.width = width, .length_exponent = 0.5f, .maximum_tokens = 20}};
      CaptionBatch batch = open(engine, 5, seed);
      Session alone = Session::open(engine, {.memory = MemoryMode::kReadOnly}).value();
      for (const std::size_t photos : {5u, 2u, 1u, 5u}) {
        std::vector<Caption> expected;
        for (std::size_t photo = 0; photo < photos; ++photo) {
          const std::size_t patches = 1 + photo * 7;
          const std::vector<float> features = random_features(config, patches, 10 * seed + photo);
          const MatrixView<const float> view(features, patches, config.vision_width);
          ASSERT_TRUE(batch.add_features(view));
          ASSERT_TRUE(alone.set_features(view));
          expected.push_back(caption(alone, options, "dog").value());
        }
        const std::vector<Caption> captions = batch.run(options, "dog").value();
        ASSERT_EQ(captions.size(), photos);
        for (std::size_t photo = 0; photo < photos; ++photo) {
          EXPECT_THAT(captions[photo].ids, ElementsAreArray(expected[photo].ids));
          EXPECT_EQ(captions[photo].log_probability, expected[photo].log_probability);
          EXPECT_EQ(captions[photo].text, expected[photo].text);
        }
        EXPECT_EQ(batch.size(), 0u);
      }
    }
  }
}

// As after caption() of one: the winner was read, so that an episode can be written.
TEST(CaptionBatch, SessionsHaveReadTheirCaptions) {
  const auto engine = random_engine(small_config(), 6);
  const std::vector<float> features = random_features(engine->config(), 16, 5);
  std::vector<Session> together;
  std::vector<Session> alone;
  for (auto* sessions : {&together, &alone}) {
    for (std::size_t i = 0; i < 3; ++i) {
      sessions->push_back(Session::open(engine).value());
      if (i > 0) {
        ASSERT_TRUE(sessions->back().set_features({std::span(features).first(i * 6), i, 6}));
      }
      ASSERT_TRUE(sessions->back().prefill(std::vector<TokenId>{1, 2, 3}));  // a caption opens a new context
    }
  }
  SessionBatch batch = SessionBatch::open(engine, {.maximum_sessions = 3}).value();
  std::vector<Session*> sessions;
  for (Session& session : together) sessions.push_back(&session);
  const CaptionOptions options{.beam = {.width = 2, .maximum_tokens = 9}};
  ASSERT_TRUE(caption(batch, sessions, options, "a"));
  for (std::size_t i = 0; i < 3; ++i) {
    ASSERT_TRUE(caption(alone[i], options, "a"));
    EXPECT_EQ(together[i].position(), alone[i].position());
    EXPECT_THAT(together[i].logits(), ElementsAreArray(alone[i].logits()));
    EXPECT_EQ(together[i].write_episode({}).value(), 1u);
    ASSERT_TRUE(alone[i].write_episode({}));
    EXPECT_EQ((*together[i].memory())->current().state(), (*alone[i].memory())->current().state());
  }
}

TEST(CaptionBatch, PhotosGoThroughTheTower) {
  ModelConfig config = small_config();
  config.tower = testing::small_tower(config.vision_width);
  const auto engine = random_engine(config, 8);
  CaptionBatch batch = open(engine, 2, 1);
  Session alone = Session::open(engine, {.memory = MemoryMode::kReadOnly}).value();
  std::vector<double> expected;
  for (const std::uint64_t seed : {1u, 2u}) {
    ASSERT_TRUE(batch.add(random_photo(seed)));
    ASSERT_TRUE(alone.set_image(random_photo(seed)));
    expected.push_back(caption(alone).value().log_probability);
  }
  const std::vector<Caption> captions = batch.run({}).value();
  EXPECT_EQ(captions[0].log_probability, expected[0]);
  EXPECT_EQ(captions[1].log_probability, expected[1]);
  EXPECT_NE(expected[0], expected[1]);
}

TEST(CaptionBatch, LeavesOutWhatItRefuses) {
  const auto engine = random_engine(small_config(), 8);
  CaptionBatch batch = open(engine, 2, 1);
  EXPECT_EQ(batch.add(random_photo(1)).error().code, ErrorCode::kUnsupported);
  const std::vector<float> features = random_features(engine->config(), 4, 1);
  EXPECT_THAT(batch.add_features({features, 3, 8}).error().message, HasSubstr("8 wide"));
  EXPECT_EQ(batch.size(), 0u);
  EXPECT_TRUE(batch.run({}).value().empty());
  ASSERT_TRUE(batch.add_features({features, 4, 6}));
  EXPECT_THAT(batch.run({.beam = {.width = 0}}).error().message, HasSubstr("beam width is 0"));
  ASSERT_TRUE(batch.add_features({features, 4, 6}));
  EXPECT_EQ(batch.run({}).value().size(), 1u);
}

TEST(CaptionBatch, WideBeamsGoAlone) {
  EXPECT_EQ(CaptionBatch::useful_size({.beam = {.width = 1}}), 4u);
  EXPECT_EQ(CaptionBatch::useful_size({.beam = {.width = 2}}), 2u);
  EXPECT_EQ(CaptionBatch::useful_size({.beam = {.width = 4}}), 1u);
  EXPECT_EQ(CaptionBatch::useful_size({.beam = {.width = 64}}), 1u);
}

}  // namespace
}  // namespace bitmar
