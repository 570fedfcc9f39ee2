#include "runtime/beam_search.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <string>
#include <vector>

#include "tests/support/photo_session.h"
#include "tests/support/random_model.h"

namespace bitmar {
namespace {

using testing::captioning_session;
using ::testing::ElementsAreArray;
using ::testing::HasSubstr;
using testing::random_engine;
using testing::small_config;

// 256 bytes and the end of text.
ModelConfig tiny_config() {
  ModelConfig config = small_config();
  config.vocabulary = 257;
  return config;
}

std::vector<double> log_softmax(std::span<const float> logits) {
  double sum = 0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit));
  std::vector<double> result;
  for (const float logit : logits) result.push_back(static_cast<double>(logit) - std::log(sum));
  return result;
}

// The log-probability of a hypothesis, read anew.
double rescore(const std::shared_ptr<const Engine>& engine, const Hypothesis& hypothesis) {
  Session session = captioning_session(engine);
  double sum = 0;
  for (const TokenId id : hypothesis.ids) {
    sum += log_softmax(session.logits())[id];
    EXPECT_TRUE(session.step(id));
  }
  if (hypothesis.ended) sum += log_softmax(session.logits())[engine->tokenizer().end_of_text()];
  return sum;
}

// All continuations of at most two tokens, best first.
std::vector<Hypothesis> search_everything(const std::shared_ptr<const Engine>& engine, double exponent) {
  const TokenId end = engine->tokenizer().end_of_text();
  std::vector<Hypothesis> all;
  Session start = captioning_session(engine);
  const std::vector<double> first = log_softmax(start.logits());
  all.push_back({{}, first[end], first[end], true});
  for (TokenId a = 0; a < end; ++a) {
    Session session = captioning_session(engine);
    EXPECT_TRUE(session.step(a));
    const std::vector<double> second = log_softmax(session.logits());
    const double scale = std::pow(2.0, exponent);
    for (TokenId b = 0; b < end; ++b)
      all.push_back({{a, b}, first[a] + second[b], (first[a] + second[b]) / scale, false});
    all.push_back({{a}, first[a] + second[end], (first[a] + second[end]) / scale, true});
  }
  std::ranges::stable_sort(all, [](const Hypothesis& a, const Hypothesis& b) { return a.score > b.score; });
  return all;
}

TEST(BeamSearch, WideEnoughItFindsTheBestOfAllTexts) {
  const auto engine = random_engine(tiny_config(), 31);
  constexpr std::size_t kWidth = 300;  // more than the 257 first tokens: the search leaves nothing out
  for (const float exponent : {0.0f, 1.0f, 2.0f}) {
    const std::vector<Hypothesis> expected = search_everything(engine, static_cast<double>(exponent));
    Session session = captioning_session(engine);
    const auto found =
        beam_search(session, {.width = kWidth, .length_exponent = exponent, .maximum_tokens = 2}).value();
    ASSERT_EQ(found.size(), kWidth);
    std::set<std::vector<TokenId>> seen;
    for (std::size_t rank = 0; rank < kWidth; ++rank) {
      SCOPED_TRACE("exponent " + std::to_string(exponent) + ", rank " + std::to_string(rank));
      EXPECT_NEAR(found[rank].score, expected[rank].score, 1e-9);
      // Texts whose scores are equal may stand in any order.
      const auto same = std::ranges::find_if(expected, [&](const Hypothesis& text) {
        return text.ids == found[rank].ids && text.ended == found[rank].ended;
      });
      ASSERT_NE(same, expected.end());
      EXPECT_NEAR(found[rank].log_probability, same->log_probability, 1e-9);
      EXPECT_NEAR(found[rank].score, same->score, 1e-9);
      std::vector<TokenId> key = found[rank].ids;
      key.push_back(found[rank].ended ? 1 : 0);
      EXPECT_TRUE(seen.insert(key).second);
    }
  }
}

TEST(BeamSearch, WidthOneIsGreedy) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const auto engine = random_engine(tiny_config(), seed);
    const TokenId end = engine->tokenizer().end_of_text();
    Session session = captioning_session(engine);
    const auto found = beam_search(session, {.width = 1, .maximum_tokens = 30}).value();
    ASSERT_EQ(found.size(), 1u);
    Session greedy = captioning_session(engine);
    std::vector<TokenId> expected;
    bool ended = false;
    while (expected.size() < 30 && !ended) {
      const auto logits = greedy.logits();
      const auto best = static_cast<TokenId>(std::ranges::max_element(logits) - logits.begin());
      ended = best == end;
      if (ended) break;
      expected.push_back(best);
      ASSERT_TRUE(greedy.step(best));
    }
    EXPECT_EQ(found[0].ids, expected) << seed;
    EXPECT_EQ(found[0].ended, ended);
  }
}

// Past the wraps of the window, where branches copy each other's caches.
TEST(BeamSearch, ScoresAreTheLogProbabilitiesOfItsTexts) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    const auto engine = random_engine(small_config(), seed);
    Session session = captioning_session(engine);
    const std::vector<float> logits(session.logits().begin(), session.logits().end());
    const auto found = beam_search(session, {.width = 5, .length_exponent = 0.7f, .maximum_tokens = 25}).value();
    ASSERT_EQ(found.size(), 5u);
    for (const Hypothesis& hypothesis : found) {
      EXPECT_NEAR(hypothesis.log_probability, rescore(engine, hypothesis), 1e-9);
      const auto length = static_cast<double>(hypothesis.ids.size() + (hypothesis.ended ? 1 : 0));
      EXPECT_NEAR(hypothesis.score, hypothesis.log_probability / std::pow(length, 0.7f), 1e-9);
    }
    EXPECT_TRUE(std::ranges::is_sorted(found, std::ranges::greater(), &Hypothesis::score));
    for (std::size_t i = 1; i < found.size(); ++i) EXPECT_NE(found[i].ids, found[0].ids);
    // The session is where it was.
    EXPECT_EQ(session.position(), 1u);
    EXPECT_THAT(session.logits(), ElementsAreArray(logits));
    Session fresh = captioning_session(engine);
    const auto next = fresh.step(3).value();
    EXPECT_THAT(session.step(3).value(), ElementsAreArray(next));
  }
}

TEST(BeamSearch, ThreadsDoNotChangeIt) {
  const auto engine = random_engine(small_config(), 3);
  std::vector<std::vector<TokenId>> ids;
  for (const std::size_t threads : {1u, 3u}) {
    Session session = Session::open(engine, {.memory = MemoryMode::kReadOnly, .threads = threads}).value();
    ASSERT_TRUE(session.step(engine->tokenizer().end_of_text()));
    ids.push_back(beam_search(session, {.width = 4, .maximum_tokens = 20}).value().front().ids);
  }
  EXPECT_EQ(ids[0], ids[1]);
}

TEST(BeamSearch, RefusesWhatCannotBe) {
  const auto engine = random_engine(small_config(), 4);
  Session session = Session::open(engine).value();
  EXPECT_EQ(beam_search(session, {}).error().code, ErrorCode::kInvalidArgument);  // nothing was read
  ASSERT_TRUE(session.step(1));
  EXPECT_THAT(beam_search(session, {.width = 0}).error().message, HasSubstr("beam width is 0"));
  EXPECT_THAT(beam_search(session, {.length_exponent = -1.0f}).error().message, HasSubstr("length exponent is -1"));
  EXPECT_THAT(beam_search(session, {.maximum_tokens = 0}).error().message, HasSubstr("maximum tokens is 0"));
  EXPECT_EQ(session.position(), 1u);
  SessionBatch batch = SessionBatch::open(engine).value();
  EXPECT_THAT(beam_search(batch, {}, {}).error().message, HasSubstr("no sessions"));
  Session unread = Session::open(engine).value();
  const std::vector<Session*> sessions = {&session, &unread};
  EXPECT_THAT(beam_search(batch, sessions, {}).error().message, HasSubstr("read at least <|endoftext|>"));
}

}  // namespace
}  // namespace bitmar
