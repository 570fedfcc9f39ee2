#include "runtime/token_score.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "tests/support/random_model.h"

namespace bitmar {
namespace {

using ::testing::HasSubstr;
using testing::random_engine;
using testing::random_tokens;
using testing::small_config;

constexpr std::size_t kTokens = 150;  // more than two batches, and than the window holds

// Extended precision, one exponential at a time.
double log_softmax(std::span<const float> logits, TokenId token) {
  const float largest = *std::ranges::max_element(logits);
  long double sum = 0;
  for (const float logit : logits) sum += std::exp(static_cast<long double>(logit) - largest);
  return static_cast<double>(static_cast<long double>(logits[token]) - largest - std::log(sum));
}

struct Scored {
  std::shared_ptr<const Engine> engine = random_engine(small_config(), 7);
  std::vector<TokenId> tokens = random_tokens(engine->config(), kTokens, 3);

  [[nodiscard]] Session open() const { return Session::open(engine, {.memory = MemoryMode::kReadOnly}).value(); }
  // Token by token: [kTokens - 1], of tokens[1], tokens[2], …
  [[nodiscard]] std::vector<double> expected() const {
    Session session = open();
    std::vector<double> found;
    for (std::size_t i = 0; i + 1 < kTokens; ++i) {
      found.push_back(log_softmax(session.step(tokens[i]).value(), tokens[i + 1]));
    }
    return found;
  }
};

TEST(TokenScore, IsTheLogarithmOfTheSoftmax) {
  const auto& kernels = random_engine(small_config(), 7)->kernels();
  const std::vector<float> logits = {0.0f, std::log(2.0f), -1e30f, std::log(2.0f)};
  EXPECT_NEAR(score_token(kernels, logits, 0).log_probability, std::log(0.2), 1e-7);
  EXPECT_NEAR(score_token(kernels, logits, 1).log_probability, std::log(0.4), 1e-7);
  EXPECT_NEAR(score_token(kernels, logits, 2).log_probability, -1e30, 1e24);
  EXPECT_TRUE(score_token(kernels, logits, 1).most_likely);
  EXPECT_FALSE(score_token(kernels, logits, 0).most_likely);
  EXPECT_FALSE(score_token(kernels, logits, 3).most_likely);  // as likely, but a higher id

  double sum = 0;
  for (TokenId token = 0; token < logits.size(); ++token) {
    sum += std::exp(score_token(kernels, logits, token).log_probability);
  }
  EXPECT_NEAR(sum, 1.0, 1e-11);
}

TEST(TokenScore, OfATextEqualsTheLogitsTokenByToken) {
  const Scored scored;
  const std::vector<double> expected = scored.expected();
  for (const std::size_t context : {1u, 2u, 64u, 65u, 149u}) {
    Session session = scored.open();
    const auto scores = score_tokens(session, scored.tokens, context).value();
    ASSERT_EQ(scores.size(), kTokens - context);
    for (std::size_t i = 0; i < scores.size(); ++i) {
      EXPECT_NEAR(scores[i].log_probability, expected[context + i - 1], 1e-11) << context << " " << i;
    }
  }
}

TEST(TokenScore, ContinuesAContextAndReadsAllTokens) {
  const Scored scored;
  const std::vector<double> expected = scored.expected();
  const std::span<const TokenId> tokens = scored.tokens;
  Session session = scored.open();
  std::vector<TokenScore> all = score_tokens(session, tokens.first(1), 1).value();
  EXPECT_TRUE(all.empty());
  for (const auto& [first, count] : {std::pair<std::size_t, std::size_t>{1, 1}, {2, 2}, {4, 80}, {84, 66}}) {
    EXPECT_EQ(session.position(), first);
    const auto part = score_tokens(session, tokens.subspan(first, count), 0).value();
    EXPECT_EQ(part.size(), count);
    all.insert(all.end(), part.begin(), part.end());
  }
  ASSERT_EQ(all.size(), expected.size());
  for (std::size_t i = 0; i < all.size(); ++i) EXPECT_NEAR(all[i].log_probability, expected[i], 1e-11) << i;

  Session direct = scored.open();
  const auto logits = direct.prefill(tokens).value();
  EXPECT_THAT(session.logits(), ::testing::ElementsAreArray(logits));
}

TEST(TokenScore, TheMostLikelyIsGreedySearchsToken) {
  const Scored scored;
  Session greedy = scored.open();
  std::vector<TokenId> tokens = {scored.tokens[0]};
  ASSERT_TRUE(greedy.read(tokens));
  for (std::size_t i = 0; i < 20; ++i) {
    tokens.push_back(greedy.most_likely());
    ASSERT_TRUE(greedy.step(tokens.back()));
  }
  Session session = scored.open();
  auto scores = score_tokens(session, tokens, 1).value();
  ASSERT_EQ(scores.size(), 20u);
  EXPECT_TRUE(std::ranges::all_of(scores, &TokenScore::most_likely));
  tokens.back() = tokens.back() == 0 ? 1 : 0;
  session.reset();
  scores = score_tokens(session, tokens, 1).value();
  EXPECT_FALSE(scores.back().most_likely);
  EXPECT_TRUE(scores.front().most_likely);
}

TEST(TokenScore, AnErrorReadsNothing) {
  const Scored scored;
  Session session = scored.open();
  const auto message = [&](std::span<const TokenId> tokens, std::size_t context) {
    const auto result = score_tokens(session, tokens, context);
    EXPECT_FALSE(result);
    EXPECT_EQ(session.position(), 0u);
    return result ? std::string() : result.error().message;
  };
  EXPECT_THAT(message({}, 0), HasSubstr("no tokens"));
  EXPECT_THAT(message(scored.tokens, 0), HasSubstr("no probability"));
  EXPECT_THAT(message(scored.tokens, kTokens + 1), HasSubstr("151 of 150"));
  std::vector<TokenId> tokens = scored.tokens;
  tokens.back() = scored.engine->config().vocabulary;
  EXPECT_THAT(message(tokens, 1), HasSubstr("outside the vocabulary"));
}

}  // namespace
}  // namespace bitmar
