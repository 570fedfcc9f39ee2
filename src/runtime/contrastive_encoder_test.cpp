#include "runtime/contrastive_encoder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "model/fusion.h"
#include "runtime/session.h"
#include "tests/support/random_model.h"
#include "tests/support/reference_model.h"

namespace bitmar {
namespace {

using ::testing::HasSubstr;
using testing::random_engine;
using testing::random_features;
using testing::random_tokens;
using testing::small_config;

// a: a unit vector.
template <typename Values>
double cosine(std::span<const float> a, const Values& b) {
  double product = 0;
  double squares = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    product += double{a[i]} * double{b[i]};
    squares += double{b[i]} * double{b[i]};
  }
  return product / std::sqrt(squares);
}

class Contrastive : public ::testing::Test {
 protected:
  std::shared_ptr<const Engine> engine_ = random_engine(small_config(), 8);
  ContrastiveEncoder encoder_ = *ContrastiveEncoder::open(engine_);
};

TEST_F(Contrastive, TextIsTheMeanOfTheReferencesStates) {
  ModelConfig config = small_config();
  config.encoder_layers = 1;
  config.decoder_layers = 1;
  int compared = 0;
  for (std::uint64_t seed = 1; seed <= 3000 && compared < 4; ++seed) {
    const auto file = testing::random_model_file(config, seed);
    const auto tokens = random_tokens(config, 9, seed);  // more than the cache holds
    testing::ReferenceInput input;
    input.tokens = {config.vocabulary - 1};
    input.tokens.insert(input.tokens.end(), tokens.begin(), tokens.end());
    const testing::ReferenceOutput expected = run_reference(file, input);
    if (expected.closest_tie < 5e-4) continue;  // floats may round the other way
    ++compared;
    std::vector<double> sums(config.width);
    for (const testing::Row& state : expected.states) {
      for (std::size_t i = 0; i < sums.size(); ++i) sums[i] += state[i];
    }
    ContrastiveEncoder encoder = *ContrastiveEncoder::open(*Engine::parse(file, "random.gguf"));
    const auto text = encoder.text(tokens);
    ASSERT_TRUE(text) << text.error().message;
    EXPECT_NEAR(cosine(*text, sums), 1.0, 1e-6) << seed;
    EXPECT_NEAR(cosine(*text, *text), 1.0, 1e-6);
  }
  EXPECT_EQ(compared, 4);
}

TEST_F(Contrastive, LongTextsAndEarlierOnesLeaveNothingBehind) {
  const auto tokens = random_tokens(small_config(), 150, 1);  // more than one batch
  SequenceState sequence(engine_->config(), engine_->kernels(), CacheShape(engine_->config(), 1));
  Workspace workspace(engine_->config(), 1, 1);
  const FusionContext no_image(engine_->model(), MatrixView<const float>({}, 0, small_config().vision_width), nullptr);
  std::vector<double> sums(small_config().width);
  const auto read = [&](TokenId token) {  // one at a time
    const TokenRow row{token, &sequence, &no_image, nullptr};
    encode_text(engine_->model(), {&row, 1}, workspace, nullptr);
    for (std::size_t i = 0; i < sums.size(); ++i) sums[i] += double{workspace.normed.span()[i]};
  };
  read(engine_->tokenizer().end_of_text());
  for (const TokenId token : tokens) read(token);
  const auto text = encoder_.text(tokens);
  ASSERT_TRUE(text) << text.error().message;
  EXPECT_NEAR(cosine(*text, sums), 1.0, 1e-6);
  EXPECT_EQ(*encoder_.text(tokens), *text);
  EXPECT_NE(*encoder_.text(std::span(tokens).first(149)), *text);
  EXPECT_TRUE(encoder_.text({}));
}

TEST_F(Contrastive, ImageIsTheMeanOfItsCompressedFeatures) {
  const auto features = random_features(small_config(), 16, 3);
  const MatrixView<const float> view(features, 16, small_config().vision_width);
  const auto vision = compress_vision(engine_->model(), view, nullptr);
  const std::size_t width = small_config().width;
  ASSERT_EQ(vision.size(), 4 * width);
  std::vector<double> sums(width);
  for (std::size_t i = 0; i < vision.size(); ++i) sums[i % width] += double{vision[i]};
  const auto image = encoder_.image(view);
  ASSERT_TRUE(image) << image.error().message;
  EXPECT_NEAR(cosine(*image, sums), 1.0, 1e-6);
  EXPECT_NEAR(std::inner_product(image->begin(), image->end(), image->begin(), 0.0), 1.0, 1e-6);
  Session session = *Session::open(engine_);
  EXPECT_THAT(session.image_direction(), ::testing::Each(0.0f));
  ASSERT_TRUE(session.set_features(view));
  EXPECT_THAT(session.image_direction(), ::testing::ElementsAreArray(*image));
}

TEST_F(Contrastive, ALimitChangesNoTextWithinIt) {
  ContrastiveEncoder limited = *ContrastiveEncoder::open(engine_, 5);
  const auto tokens = random_tokens(small_config(), 6, 2);
  for (const std::size_t count : {5u, 0u, 3u}) {
    EXPECT_EQ(*limited.text(std::span(tokens).first(count)), *encoder_.text(std::span(tokens).first(count)));
  }
  EXPECT_THAT(limited.text(tokens).error().message, HasSubstr("6 tokens; expected at most 5"));
}

TEST_F(Contrastive, WrongInputIsRefused) {
  const std::vector<TokenId> outside = {small_config().vocabulary};
  EXPECT_THAT(encoder_.text(outside).error().message, HasSubstr("outside the vocabulary"));
  const std::vector<float> narrow(4);
  EXPECT_THAT(encoder_.image({narrow, 2, 2}).error().message, HasSubstr("[2, 2]"));
  EXPECT_THAT(encoder_.image({{}, 0, small_config().vision_width}).error().message, HasSubstr("[0, 6]"));
}

}  // namespace
}  // namespace bitmar
