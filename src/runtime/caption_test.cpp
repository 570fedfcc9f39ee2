#include "runtime/caption.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <numeric>
#include <string>
#include <vector>

#include "runtime/contrastive_encoder.h"
#include "tests/support/photo_session.h"
#include "tests/support/random_model.h"

namespace bitmar {
namespace {

using testing::captioning_session;
using ::testing::ElementsAreArray;
using ::testing::HasSubstr;
using testing::kPhotoPatches;
using testing::kPhotoSeed;
using testing::random_engine;
using testing::random_features;
using testing::small_config;

double cosine_with_photo(const std::shared_ptr<const Engine>& engine, const std::vector<TokenId>& text) {
  ContrastiveEncoder encoder = ContrastiveEncoder::open(engine).value();
  const std::vector<float> features = random_features(engine->config(), kPhotoPatches, kPhotoSeed);
  const std::vector<float> a = encoder.text(text).value();
  const std::vector<float> b = encoder.image({features, kPhotoPatches, engine->config().vision_width}).value();
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

TEST(Caption, IsTheBestHypothesisReadByTheSession) {
  const auto engine = random_engine(small_config(), 4);
  Session session = captioning_session(engine);
  const CaptionOptions options{.beam = {.width = 3, .maximum_tokens = 10}, .image_weight = 0};
  const auto prompt = engine->tokenizer().encode("dog");
  Session other = captioning_session(engine);
  ASSERT_TRUE(other.prefill(prompt));
  const Hypothesis best = beam_search(other, options.beam).value().front();
  const Caption result = caption(session, options, "dog").value();
  EXPECT_EQ(result.ids, best.ids);
  EXPECT_EQ(result.log_probability, best.log_probability);
  ASSERT_TRUE(other.prefill(best.ids));
  EXPECT_EQ(session.position(), 1 + prompt.size() + best.ids.size());
  EXPECT_THAT(session.logits(), ElementsAreArray(other.logits()));
  EXPECT_EQ(caption(session, options, "dog").value().text, result.text);  // in a new context each time
}

TEST(Caption, WeighsLikenessToTheImage) {
  std::size_t changed = 0;
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    const auto engine = random_engine(small_config(), seed);
    Session session = captioning_session(engine);
    const auto prompt = engine->tokenizer().encode("dog");
    ASSERT_TRUE(session.prefill(prompt));
    const BeamOptions beam{.width = 5, .maximum_tokens = 8};
    const std::vector<Hypothesis> found = beam_search(session, beam).value();
    std::vector<double> cosines;
    for (const Hypothesis& hypothesis : found) {
      std::vector<TokenId> text = prompt;  // a caption is what stands after <|endoftext|>
      text.insert(text.end(), hypothesis.ids.begin(), hypothesis.ids.end());
      cosines.push_back(cosine_with_photo(engine, text));
    }
    for (const float weight : {0.0f, 1.0f, 1000.0f}) {
      std::size_t expected = 0;
      const auto score = [&](std::size_t i) { return found[i].score + double{weight} * cosines[i]; };
      for (std::size_t i = 1; i < found.size(); ++i) {
        if (score(i) > score(expected)) expected = i;
      }
      const Caption chosen = caption(session, {beam, weight}, "dog").value();
      EXPECT_EQ(chosen.ids, found[expected].ids) << seed << ", weight " << weight;
      EXPECT_EQ(chosen.log_probability, found[expected].log_probability);
      changed += expected > 0 ? 1 : 0;
    }
  }
  EXPECT_GE(changed, 10u);  // of 30: the weights choose differently
}

TEST(Caption, WithoutAnImageTheLikeliestTextIsTaken) {
  const auto engine = random_engine(small_config(), 4);
  Session session = Session::open(engine).value();
  const BeamOptions beam{.width = 5, .maximum_tokens = 8};
  ASSERT_TRUE(session.step(engine->tokenizer().end_of_text()));
  const std::vector<TokenId> likeliest = beam_search(session, beam).value().front().ids;
  EXPECT_EQ(caption(session, {beam, 1000.0f}).value().ids, likeliest);
}

TEST(Caption, RefusesWhatCannotBe) {
  const auto engine = random_engine(small_config(), 4);
  Session session = captioning_session(engine);
  EXPECT_THAT(caption(session, {.beam = {.maximum_tokens = 0}}).error().message, HasSubstr("maximum tokens is 0"));
  for (const float weight : {-1.0f, 1001.0f, std::numeric_limits<float>::quiet_NaN()}) {
    EXPECT_THAT(caption(session, {.image_weight = weight}).error().message, HasSubstr("image weight is"));
  }
  EXPECT_EQ(session.position(), 1u);
}

}  // namespace
}  // namespace bitmar
