#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "eval/scoring/choices.h"
#include "eval/scoring/continuation_scorer.h"
#include "eval/scoring/encoding.h"
#include "tests/support/random_model.h"

namespace bitmar {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::OutputHead;
using testing::random_engine;
using testing::random_features;
using testing::small_config;

std::vector<TokenId> joined(std::vector<TokenId> context, const std::vector<TokenId>& continuation) {
  context.insert(context.end(), continuation.begin(), continuation.end());
  return context;
}

TEST(EncodePair, TokensEqualTheHarnessOwn) {
  const auto tokenizer = Tokenizer::from_merges_file(BITMAR_SOURCE_DIR "/models/gpt2-merges.txt");
  ASSERT_TRUE(tokenizer) << tokenizer.error().message;
  std::ifstream file(BITMAR_SOURCE_DIR "/tests/goldens/evaluation/prompts.json");
  const auto pairs = nlohmann::json::parse(file)["encoded_pairs"];
  ASSERT_FALSE(pairs.empty());
  for (const auto& golden : pairs) {
    const auto context = golden["context"].get<std::string>();
    const auto expected_context = golden["context_tokens"].get<std::vector<TokenId>>();
    const auto expected = joined(expected_context, golden["continuation_tokens"].get<std::vector<TokenId>>());
    const EncodedPair pair =
        encode_pair(*tokenizer, context, golden["continuation"].get<std::string>(), StartToken::kEmptyContext);
    EXPECT_EQ(pair.tokens, expected) << golden;
    EXPECT_EQ(pair.continuation, expected_context.size()) << golden;

    const EncodedPair started =
        encode_pair(*tokenizer, context, golden["continuation"].get<std::string>(), StartToken::kAlways);
    EXPECT_EQ(started.tokens.front(), tokenizer->end_of_text());
    EXPECT_EQ(started.tokens, context.empty() ? expected : joined({tokenizer->end_of_text()}, expected));
  }
}

TEST(CountCharacters, CountsCodePoints) {
  EXPECT_EQ(count_characters("caf\u00e9 \u4f60 \U0001F600"), 8u);
  EXPECT_EQ(count_characters(""), 0u);
}

// The choice read alone, token by token, and its probabilities in extended precision.
ContinuationScore read_alone(Session& session, const std::string& preamble, const Choice& choice, StartToken start) {
  const EncodedPair pair =
      encode_pair(session.engine().tokenizer(), preamble + choice.context, choice.continuation, start);
  ContinuationScore score{.log_probability = 0,
                          .tokens = pair.tokens.size() - pair.continuation,
                          .bytes = choice.continuation.size() - choice.continuation.starts_with(' '),
                          .characters = 0,
                          .greedy = true};
  score.characters = count_characters(choice.continuation) - choice.continuation.starts_with(' ');
  session.reset();
  long double sum = 0;
  for (std::size_t i = 0; i + 1 < pair.tokens.size(); ++i) {
    const auto logits = *session.step(pair.tokens[i]);
    if (i + 1 < pair.continuation) continue;
    long double total = 0;
    for (const float logit : logits) total += std::exp(static_cast<long double>(logit));
    sum += static_cast<long double>(logits[pair.tokens[i + 1]]) - std::log(total);
    score.greedy &=
        std::ranges::max_element(logits) - logits.begin() == static_cast<std::ptrdiff_t>(pair.tokens[i + 1]);
  }
  score.log_probability = static_cast<double>(sum);
  return score;
}

const std::vector<std::vector<Choice>> kQuestions = {
    {{"Question: who?\nAnswer:", " me"}, {"Question: who?\nAnswer:", " you all"}, {"Question: who?\nAnswer:", " y"}},
    {{"The cup", " was full"}, {"The bag of the cup", " was full"}},  // one continuation of two contexts
    {{"", "A bird sings."}, {"", "A bird sing."}},                    // sentences that share their beginning
    {{"Zero ", "a"}, {"One", " b"}},                                  // nothing shared
    {{"one", " two"}, {"one", " two three"}},                         // one answer begins another
    {{"same", " text"}, {"same", " text"}},
    {{"alone", " here"}},
    {{std::string(200, 'x') + " long", std::string(150, 'y')}, {std::string(200, 'x') + " long", " z"}},
};

class Scorer : public ::testing::Test {
 protected:
  std::shared_ptr<const Engine> engine_ = random_engine(small_config(), 11);
  Session session_ = *Session::open(engine_, {.memory = MemoryMode::kReadOnly});
  Session alone_ = *Session::open(engine_, {.memory = MemoryMode::kReadOnly});

  void expect_same(const ContinuationScore& score, const ContinuationScore& expected) {
    EXPECT_NEAR(score.log_probability, expected.log_probability, 1e-9 * std::abs(expected.log_probability));
    ContinuationScore rest = score;
    rest.log_probability = expected.log_probability;
    EXPECT_EQ(rest, expected);
  }
};

class StartedScorer : public Scorer, public ::testing::WithParamInterface<StartToken> {};

TEST_P(StartedScorer, ScoresAreThoseOfEachChoiceReadAlone) {
  ContinuationScorer scorer(session_, GetParam());
  for (const std::string preamble : {"", "Two examples. Answer: yes\n\n", "Other examples: "}) {
    ASSERT_TRUE(scorer.set_preamble(preamble));
    for (const auto& choices : kQuestions) {
      const auto scores = scorer.score(choices);
      ASSERT_TRUE(scores) << scores.error().message;
      ASSERT_EQ(scores->size(), choices.size());
      for (std::size_t i = 0; i < choices.size(); ++i) {
        SCOPED_TRACE(preamble + choices[i].context + "|" + choices[i].continuation);
        expect_same((*scores)[i], read_alone(alone_, preamble, choices[i], GetParam()));
      }
    }
  }
}

TEST_P(StartedScorer, SharingChangesNoBit) {
  ContinuationScorer scorer(session_, GetParam());
  for (const auto& choices : kQuestions) {
    const auto together = *scorer.score(choices);
    for (std::size_t i = 0; i < choices.size(); ++i) {
      ASSERT_TRUE(scorer.set_preamble(""));
      EXPECT_EQ(scorer.score({&choices[i], 1})->front(), together[i]);
      // The context in two parts, of which one is kept.
      const std::string& context = choices[i].context;
      if (context.size() < 3) continue;
      ASSERT_TRUE(scorer.set_preamble(context.substr(0, 2)));
      const Choice rest = {context.substr(2), choices[i].continuation};
      EXPECT_EQ(scorer.score({&rest, 1})->front(), together[i]);
      ASSERT_TRUE(scorer.set_preamble(""));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Start, StartedScorer, ::testing::Values(StartToken::kEmptyContext, StartToken::kAlways));

TEST_F(Scorer, ImageCounts) {
  const auto features = random_features(small_config(), 4, 3);
  const auto without = *ContinuationScorer(session_).score(kQuestions.front());
  for (Session* session : {&session_, &alone_}) {
    ASSERT_TRUE(session->set_features({features, 4, small_config().vision_width}));
  }
  const auto with = *ContinuationScorer(session_).score(kQuestions.front());
  EXPECT_NE(with, without);
  for (std::size_t i = 0; i < with.size(); ++i) {
    expect_same(with[i], read_alone(alone_, "", kQuestions.front()[i], StartToken::kEmptyContext));
  }
}

TEST_F(Scorer, ContinuationsKeepTheSessionsContext) {
  const std::vector<TokenId> context = {1, 2, 3};
  const std::vector<TokenId> tokens(100, 7);  // more than run together, and than the window holds
  ASSERT_TRUE(session_.read(context));
  const auto expected = *alone_.prefill(context);
  Continuations continuations(session_);
  const std::vector<Continuations::Request> requests = {{tokens, 98}, {{}, 0}, {std::span(tokens).first(2), 0}};
  std::vector<std::pair<std::size_t, std::size_t>> seen;
  ASSERT_TRUE(continuations.score(requests, [&](std::size_t request, std::size_t index, std::span<const float>) {
    seen.emplace_back(request, index);
  }));
  EXPECT_THAT(seen, ElementsAre(std::pair(0, 98), std::pair(0, 99), std::pair(2, 0), std::pair(2, 1)));
  EXPECT_EQ(session_.position(), context.size());
  EXPECT_TRUE(std::ranges::equal(session_.logits(), expected));
  EXPECT_TRUE(std::ranges::equal(*session_.step(4), *alone_.step(4)));
  const std::vector<TokenId> outside = {small_config().vocabulary};
  const auto refused = continuations.score(std::vector<Continuations::Request>{{outside, 0}}, {});
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("outside the vocabulary"));
}

TEST_F(Scorer, ChoiceWithoutTokensIsRefused) {
  const std::vector<Choice> choices = {{"a", "b"}, {"a", ""}};
  const auto scores = ContinuationScorer(session_).score(choices);
  ASSERT_FALSE(scores);
  EXPECT_THAT(scores.error().message, HasSubstr("no token"));
}

ContinuationScore score_of(double log_probability, std::uint64_t tokens, std::uint64_t characters,
                           std::uint64_t bytes) {
  return {log_probability, tokens, bytes, characters, false};
}

TEST(Choices, EachNormalizationHasItsOwnPreference) {
  const std::vector<ContinuationScore> scores = {score_of(-2, 1, 4, 4), score_of(-3, 3, 5, 20),
                                                 score_of(-4, 2, 10, 10)};
  EXPECT_THAT(prefer(scores, Normalization::kRaw).best, ElementsAre(0));
  EXPECT_THAT(prefer(scores, Normalization::kTokens).best, ElementsAre(1));
  EXPECT_THAT(prefer(scores, Normalization::kCharacters).best, ElementsAre(2));
  EXPECT_THAT(prefer(scores, Normalization::kBytes).best, ElementsAre(1));
}

TEST(Choices, TiesShareThePoint) {
  const std::vector<ContinuationScore> scores = {score_of(-1, 1, 1, 1), score_of(-5, 1, 1, 1),
                                                 score_of(-1 - 1e-12, 1, 1, 1)};
  const Preference preference = prefer(scores, Normalization::kRaw);
  EXPECT_TRUE(preference.tied());
  EXPECT_EQ(preference.credit(0), 0.5);
  EXPECT_EQ(preference.credit(1), 0.0);
  EXPECT_EQ(preference.credit(2), 0.5);
}

TEST(Choices, UniformModelTiesEveryTokenAverage) {
  const auto engine = random_engine(small_config(), 4, OutputHead::kZero);
  Session session = *Session::open(engine, {.memory = MemoryMode::kReadOnly});
  for (const auto& choices : kQuestions) {
    const auto scores = *ContinuationScorer(session).score(choices);
    EXPECT_EQ(prefer(scores, Normalization::kTokens).best.size(), choices.size());
    for (const ContinuationScore& score : scores) {
      EXPECT_NEAR(score.log_probability, -static_cast<double>(score.tokens) * std::log(small_config().vocabulary),
                  1e-8);
    }
  }
}

}  // namespace
}  // namespace bitmar
