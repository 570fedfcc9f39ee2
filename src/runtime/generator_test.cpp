#include "runtime/generator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/support/random_model.h"

namespace bitmar {
namespace {

using ::testing::ElementsAreArray;
using ::testing::HasSubstr;
using testing::random_engine;
using testing::small_config;

class GeneratorTest : public ::testing::Test {
 protected:
  Session open() const { return Session::open(engine_, {.memory = MemoryMode::kReadOnly}).value(); }
  [[nodiscard]] TokenId end() const { return engine_->tokenizer().end_of_text(); }

  std::shared_ptr<const Engine> engine_ = random_engine(small_config(), 21);
};

constexpr GenerateOptions sampled(std::size_t tokens, std::uint64_t seed, bool stop_at_end) {
  return {{.temperature = 3.0f, .top_k = 0, .top_p = 1.0f, .min_p = 0.0f, .seed = seed}, tokens, stop_at_end};
}

constexpr GenerateOptions greedy(std::size_t tokens) {
  return {{}, tokens, false};
}

TokenId largest(std::span<const float> logits) {
  return static_cast<TokenId>(std::ranges::max_element(logits) - logits.begin());
}

TEST_F(GeneratorTest, GreedyTakesTheLargestLogitOfEveryStep) {
  Session session = open();
  const std::vector<TokenId> prompt{5, 6, 7};
  const Generation result = generate(session, prompt, greedy(25)).value();
  Session plain = open();
  std::vector<TokenId> expected;
  auto logits = plain.prefill(std::vector<TokenId>{end(), 5, 6, 7}).value();
  for (int i = 0; i < 25; ++i) {
    expected.push_back(largest(logits));
    logits = plain.step(expected.back()).value();
  }
  EXPECT_EQ(result.ids, expected);
  EXPECT_EQ(result.reason, StopReason::kMaximumTokens);
  EXPECT_EQ(result.prompt_tokens, 4u);
  EXPECT_EQ(session.position(), plain.position());
  EXPECT_THAT(session.logits(), ElementsAreArray(plain.logits()));
}

TEST_F(GeneratorTest, PiecesTogetherAreTheTextAndEachIsWhole) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    Session session = open();
    std::string heard;
    const Generation result = generate(session, "dog", sampled(60, seed, false), [&](std::string_view piece) {
                                EXPECT_FALSE(piece.empty());
                                heard += piece;
                                return true;
                              }).value();
    EXPECT_EQ(heard, result.text);
    StreamingDecoder decoder(engine_->tokenizer());
    std::string decoded;
    for (const TokenId id : result.ids) decoded += decoder.push(id);
    EXPECT_EQ(decoded + decoder.finish(), result.text);
    // Nobody needs to listen.
    Session silent = open();
    EXPECT_EQ(generate(silent, "dog", sampled(60, seed, false)).value().ids, result.ids);
  }
}

TEST_F(GeneratorTest, StopsBeforeTheEndOfTextThatItDraws) {
  int ended = 0;
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    Session free = open();
    const std::vector<TokenId> ids = generate(free, "dog", sampled(400, seed, false)).value().ids;
    const auto first_end = std::ranges::find(ids, end());
    Session session = open();
    const Generation result = generate(session, "dog", sampled(400, seed, true)).value();
    EXPECT_THAT(result.ids, ElementsAreArray(ids.begin(), first_end)) << seed;
    const bool found = first_end != ids.end();
    EXPECT_EQ(result.reason, found ? StopReason::kEndOfText : StopReason::kMaximumTokens);
    EXPECT_EQ(session.position(), result.prompt_tokens + result.ids.size());
    ended += found ? 1 : 0;
  }
  EXPECT_GE(ended, 3);  // one token of 260 in 400: both cases are met
}

TEST_F(GeneratorTest, TheCallbackStopsAfterATokenThatTheSessionHasRead) {
  Session session = open();
  const Generation whole = generate(session, "dog", sampled(50, 3, false)).value();
  for (const int stop : {1, 2, 7}) {
    Session stopped = open();
    int calls = 0;
    std::string heard;
    const Generation result = generate(stopped, "dog", sampled(50, 3, false), [&](std::string_view piece) {
                                heard += piece;
                                return ++calls < stop;
                              }).value();
    EXPECT_EQ(result.reason, StopReason::kCallback);
    ASSERT_LT(result.ids.size(), whole.ids.size());
    EXPECT_THAT(result.ids, ElementsAreArray(whole.ids.begin(),
                                             whole.ids.begin() + static_cast<std::ptrdiff_t>(result.ids.size())));
    EXPECT_EQ(result.text, heard);
    EXPECT_EQ(stopped.position(), result.prompt_tokens + result.ids.size());
  }
}

TEST_F(GeneratorTest, AContextGoesOn) {
  Session session = open();
  const GenerateOptions options = greedy(10);
  const Generation first = generate(session, "dog", options).value();
  const Generation second = generate(session, "", options).value();
  EXPECT_EQ(second.prompt_tokens, 0u);
  Session whole = open();
  std::vector<TokenId> joined = first.ids;
  joined.insert(joined.end(), second.ids.begin(), second.ids.end());
  EXPECT_EQ(generate(whole, "dog", greedy(20)).value().ids, joined);
  // A prompt in the middle of a context is not opened again.
  EXPECT_EQ(generate(session, "dog", options).value().prompt_tokens, engine_->tokenizer().encode("dog").size());
}

TEST_F(GeneratorTest, NoTokensAreATextToo) {
  Session session = open();
  const Generation result = generate(session, "dog", greedy(0)).value();
  EXPECT_TRUE(result.ids.empty());
  EXPECT_EQ(result.text, "");
  EXPECT_EQ(result.reason, StopReason::kMaximumTokens);
  EXPECT_EQ(session.position(), result.prompt_tokens);
}

TEST_F(GeneratorTest, ThePenaltyKnowsThePrompt) {
  Session plain = open();
  const auto logits = plain.step(end()).value();
  const std::vector<float> at_start(logits.begin(), logits.end());
  const TokenId favourite = largest(plain.step(largest(at_start)).value());
  // Given the favourite as a prompt, a large penalty must choose another wherever it would win again.
  Session session = open();
  ASSERT_TRUE(session.prefill(std::vector<TokenId>{end(), largest(at_start)}));
  const std::vector<float> before(session.logits().begin(), session.logits().end());
  const GenerateOptions options{{.repetition_penalty = 100.0f}, 1, false};
  const std::vector<TokenId> prompt{favourite};
  Session unpenalised = open();
  ASSERT_TRUE(unpenalised.prefill(std::vector<TokenId>{end(), largest(at_start), favourite}));
  std::vector<float> penalised(unpenalised.logits().begin(), unpenalised.logits().end());
  float& logit = penalised[favourite];
  logit = logit > 0 ? logit / 100.0f : logit * 100.0f;
  EXPECT_EQ(generate(session, prompt, options).value().ids, std::vector<TokenId>{largest(penalised)});
}

TEST_F(GeneratorTest, RefusesOptionsAndPromptsThatCannotBe) {
  Session session = open();
  EXPECT_EQ(generate(session, "a", {{.top_p = 2.0f}}).error().code, ErrorCode::kOutOfRange);
  const auto endless = generate(session, "a", greedy(static_cast<std::size_t>(-1)));
  EXPECT_THAT(endless.error().message, HasSubstr("maximum tokens"));
  EXPECT_THAT(generate(session, std::vector<TokenId>{260}, {}).error().message, HasSubstr("token 260"));
  EXPECT_EQ(session.position(), 0u);
}

}  // namespace
}  // namespace bitmar
