#include "nn/decoding.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <span>

#include "nn/testing.h"

namespace bitmar {
namespace {

using testing_nn::small_config;

constexpr DecodingLimits kLimits{.tokens = 6, .end_of_text = 600};

class DecodingTest : public ::testing::Test {
 protected:
  void SetUp() override {
    torch::manual_seed(8);
    ModelConfig config = small_config();
    config.vocabulary = 601;  // more than two blocks of a draw, and a part of one
    model_ = BitmarModel(config, 0.5);
    features_ = torch::randn({3, 4, 12});
  }
  // Probabilities of the token after end-of-text and `ids`, for one photo [V].
  torch::Tensor next_probabilities(std::int64_t photo, const std::vector<TokenId>& ids) {
    const torch::NoGradGuard no_grad;
    model_->eval();
    std::vector<std::int64_t> tokens = {kLimits.end_of_text};
    tokens.insert(tokens.end(), ids.begin(), ids.end());
    ModelInput input;
    input.tokens = torch::tensor(tokens, torch::kLong).view({1, 1, -1});
    input.mask = torch::ones_like(input.tokens, torch::kBool);
    input.features = features_.narrow(0, photo, 1);
    input.image_of_row = torch::zeros({1}, torch::kLong);
    const auto hidden = model_->forward(input, {}).hidden.select(1, 0);
    return model_->output()->forward(hidden.select(1, hidden.size(1) - 1)).softmax(1)[0];
  }

  BitmarModel model_{nullptr};
  torch::Tensor features_;
};

TEST_F(DecodingTest, GreedyTakesTheMostProbableToken) {
  const auto captions = decode_greedily(model_, features_, kLimits);
  ASSERT_EQ(captions.size(), 3u);
  for (std::int64_t photo = 0; photo < 3; ++photo) {
    const DecodedCaption& caption = captions[static_cast<std::size_t>(photo)];
    if (!caption.ended) EXPECT_EQ(caption.ids.size(), 6u);
    std::vector<TokenId> prefix;
    for (const TokenId id : caption.ids) {
      EXPECT_EQ(next_probabilities(photo, prefix).argmax().item<std::int64_t>(), id);
      prefix.push_back(id);
    }
    if (caption.ended) {
      EXPECT_EQ(next_probabilities(photo, prefix).argmax().item<std::int64_t>(), kLimits.end_of_text);
    }
  }
}

TEST_F(DecodingTest, DrawsFollowTheModelsDistribution) {
  constexpr std::int64_t kSamples = 4000;
  model_->train();
  Random random(3);
  const auto captions = draw_captions(model_, features_, kSamples, {.tokens = 2, .end_of_text = 600}, random);
  EXPECT_TRUE(model_->is_training());
  ASSERT_EQ(captions.size(), 3u * kSamples);
  for (std::int64_t photo = 0; photo < 3; ++photo) {
    const auto of_photo = std::span(captions).subspan(static_cast<std::size_t>(photo * kSamples), kSamples);
    // First tokens, end-of-text included; then second tokens after the most frequent first one.
    std::map<TokenId, std::map<TokenId, double>> seconds;
    std::map<TokenId, double> firsts;
    for (const DecodedCaption& caption : of_photo) {
      const TokenId first = caption.ids.empty() ? kLimits.end_of_text : caption.ids[0];
      ++firsts[first];
      if (!caption.ids.empty()) ++seconds[first][caption.ids.size() > 1 ? caption.ids[1] : kLimits.end_of_text];
    }
    const auto expect_like = [](const std::map<TokenId, double>& counts, const torch::Tensor& probabilities) {
      double total = 0;
      for (const auto& [id, count] : counts) total += count;
      for (std::int64_t id = 0; id < probabilities.size(0); ++id) {
        const auto found = counts.find(static_cast<TokenId>(id));
        const double share = found == counts.end() ? 0.0 : found->second / total;
        const double p = probabilities[id].item<double>();
        // Five standard deviations of a binomial share, and one count.
        EXPECT_NEAR(share, p, 5 * std::sqrt(p * (1 - p) / total) + 1 / total) << id;
      }
    };
    expect_like(firsts, next_probabilities(photo, {}));
    const auto most = std::ranges::max_element(firsts, {}, [](const auto& entry) { return entry.second; });
    if (most->first != kLimits.end_of_text) {
      expect_like(seconds[most->first], next_probabilities(photo, {most->first}));
    }
  }
}

TEST_F(DecodingTest, TheSameSeedDrawsTheSame) {
  const auto draw = [&](std::uint64_t seed) {
    Random random(seed);
    std::vector<TokenId> all;
    for (const auto& caption : draw_captions(model_, features_, 4, kLimits, random)) {
      all.insert(all.end(), caption.ids.begin(), caption.ids.end());
      EXPECT_LE(caption.ids.size() + (caption.ended ? 1 : 0), 6u);
    }
    return all;
  };
  EXPECT_EQ(draw(1), draw(1));
  EXPECT_NE(draw(1), draw(2));
}

}  // namespace
}  // namespace bitmar
