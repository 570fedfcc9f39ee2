#include "runtime/session_batch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "tests/corruption/allocation_meter.h"
#include "tests/support/random_model.h"

namespace bitmar {
namespace {

using ::testing::HasSubstr;
using testing::random_engine;
using testing::random_features;
using testing::random_tokens;
using testing::small_config;

using Requests = std::vector<SessionBatch::Request>;

// Large enough that the pools' threads get work: 5 rows of an FFN product are 2^18 multiply-adds.
ModelConfig wide_config() {
  ModelConfig config = small_config();
  config.width = 64;
  config.ffn_hidden = 1024;
  return config;
}

bool same_bits(std::span<const float> a, std::span<const float> b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size_bytes()) == 0);
}

// A session that is stepped in batches, and one that lives the same life alone.
struct Twins {
  Session batched;
  Session alone;

  static Twins open(const std::shared_ptr<const Engine>& engine, MemoryMode memory) {
    return {Session::open(engine, {.memory = memory}).value(), Session::open(engine, {.memory = memory}).value()};
  }

  template <typename Action>
  void both(const Action& action) {
    action(batched);
    action(alone);
  }

  void expect_equal() {
    EXPECT_EQ(batched.position(), alone.position());
    EXPECT_TRUE(same_bits(batched.logits(), alone.logits()));
    EXPECT_TRUE(same_bits(batched.memory_attention(), alone.memory_attention()));
    EXPECT_TRUE(same_bits(batched.episode_query(), alone.episode_query()));
    const auto memory = batched.memory();
    if (memory) {
      EXPECT_EQ((*memory)->current().state(), (*alone.memory())->current().state());
    }
  }
};

// Sessions of all kinds that live through random events.
class Population {
 public:
  Population(std::shared_ptr<const Engine> engine, std::size_t count, std::uint64_t seed)
      : engine_(std::move(engine)), random_(seed) {
    for (std::size_t i = 0; i < count; ++i) twins_.push_back(newcomer());
  }

  std::size_t below(std::size_t bound) { return static_cast<std::size_t>(random_.below(bound)); }

  // Something happens to one of them between two steps.
  void change_one() {
    Twins& twins = twins_[below(twins_.size())];
    switch (below(6)) {
      case 0:
        twins = newcomer();  // one leaves, another joins
        break;
      case 1:
        twins.both([](Session& session) { session.reset(); });
        break;
      case 2:
        show_image(twins);
        break;
      case 3:
        twins.both([](Session& session) { session.clear_image(); });
        break;
      case 4:
        twins.both([](Session& session) { session.end_episode(); });
        break;
      default:  // refused where the session may not write
        twins.both([](Session& session) { (void)session.write_episode({.text = "a", .source = "", .time = ""}); });
    }
  }

  // Some of them, at least one and at most `most`, in any order.
  std::vector<Twins*> choose(std::size_t most) {
    std::vector<Twins*> chosen;
    for (Twins& twins : twins_) chosen.push_back(&twins);
    for (std::size_t i = chosen.size() - 1; i > 0; --i) std::swap(chosen[i], chosen[below(i + 1)]);
    chosen.resize(1 + below(std::min(most, chosen.size())));
    return chosen;
  }

  std::vector<TokenId> tokens(std::size_t count) { return random_tokens(engine_->config(), count, random_.next()); }
  std::vector<Twins>& all() { return twins_; }

 private:
  Twins newcomer() {
    constexpr MemoryMode kModes[] = {MemoryMode::kReadWrite, MemoryMode::kReadOnly, MemoryMode::kOff};
    Twins twins = Twins::open(engine_, kModes[below(3)]);
    if (below(2) == 0) show_image(twins);
    return twins;
  }

  void show_image(Twins& twins) {
    const std::size_t patches = below(2) == 0 ? 16 : 1 + below(200);
    const std::vector<float> features = random_features(engine_->config(), patches, random_.next());
    twins.both([&](Session& session) {
      EXPECT_TRUE(session.set_features({features, patches, engine_->config().vision_width}));
    });
  }

  std::shared_ptr<const Engine> engine_;
  Random random_;
  std::vector<Twins> twins_;
};

struct Case {
  const char* name;
  ModelConfig config;
  std::size_t threads;
};

std::vector<Case> cases() {
  ModelConfig concatenating = small_config();
  concatenating.injection = InjectionKind::kConcatenate;
  concatenating.query = QueryKind::kExponential;
  ModelConfig without_memory = small_config();
  without_memory.memory = false;
  return {{"small", small_config(), 1},         {"concatenating", concatenating, 1},
          {"no_memory", without_memory, 1},     {"wide_1_thread", wide_config(), 1},
          {"wide_2_threads", wide_config(), 2}, {"wide_4_threads", wide_config(), 4}};
}

class SessionBatchCases : public ::testing::TestWithParam<Case> {};

INSTANTIATE_TEST_SUITE_P(All, SessionBatchCases, ::testing::ValuesIn(cases()),
                         [](const auto& info) { return std::string(info.param.name); });

TEST_P(SessionBatchCases, StepsHaveTheBitsOfSessionsThatStepAlone) {
  const auto engine = random_engine(GetParam().config, 21);
  for (std::size_t count = 2; count <= 9; ++count) {
    SessionBatch batch = SessionBatch::open(engine, {.maximum_sessions = count, .threads = GetParam().threads}).value();
    Population population(engine, count, 100 + count);
    for (int step = 0; step < 30; ++step) {
      population.change_one();
      const std::vector<Twins*> chosen = population.choose(count);
      const std::vector<TokenId> tokens = population.tokens(chosen.size());
      std::vector<Session*> sessions;
      for (Twins* twins : chosen) sessions.push_back(&twins->batched);
      const MatrixView<const float> logits = batch.step(sessions, tokens).value();
      ASSERT_EQ(logits.rows, chosen.size());
      for (std::size_t i = 0; i < chosen.size(); ++i) {
        ASSERT_TRUE(same_bits(logits.row(i), chosen[i]->alone.step(tokens[i]).value()))
            << count << " sessions, step " << step << ", row " << i;
      }
      for (Twins& twins : population.all()) twins.expect_equal();
    }
    // What the batch left in the sessions serves them alone too.
    for (Twins& twins : population.all()) {
      const std::vector<TokenId> tokens = population.tokens(20);
      EXPECT_TRUE(same_bits(twins.batched.prefill(tokens).value(), twins.alone.prefill(tokens).value()));
    }
  }
}

TEST_P(SessionBatchCases, PromptsOfAnyLengthsHaveTheBitsOfSessionsThatReadAlone) {
  const auto engine = random_engine(GetParam().config, 22);
  for (const std::size_t count : {2u, 5u, 9u}) {
    SessionBatch batch = SessionBatch::open(engine, {.maximum_sessions = count, .threads = GetParam().threads}).value();
    Population population(engine, count, 200 + count);
    for (int round = 0; round < 12; ++round) {
      population.change_one();
      const std::vector<Twins*> chosen = population.choose(count);
      std::vector<std::vector<TokenId>> texts;
      Requests requests;
      for (Twins* twins : chosen) {
        // One token, a few, or more than runs together.
        const std::size_t lengths[] = {1, 1 + population.below(20), 1 + population.below(150)};
        texts.push_back(population.tokens(lengths[population.below(3)]));
        requests.push_back({&twins->batched, {}});
      }
      for (std::size_t i = 0; i < requests.size(); ++i) requests[i].tokens = texts[i];
      const MatrixView<const float> logits = batch.prefill(requests).value();
      ASSERT_EQ(logits.rows, chosen.size());
      for (std::size_t i = 0; i < chosen.size(); ++i) {
        ASSERT_TRUE(same_bits(logits.row(i), chosen[i]->alone.prefill(texts[i]).value()))
            << count << " sessions, round " << round << ", row " << i << " of " << texts[i].size() << " tokens";
      }
      for (Twins& twins : population.all()) twins.expect_equal();
    }
  }
}

// Where a batch holds more sessions than a prompt's tokens run together, a prompt still stays within what the caches
// answer for.
TEST(SessionBatch, TakesMoreSessionsThanAPromptHasTokensAtOnce) {
  const auto engine = random_engine(small_config(), 23);
  SessionBatch batch = SessionBatch::open(engine, {.maximum_sessions = 150}).value();
  Population population(engine, 150, 7);
  std::vector<Session*> sessions;
  for (Twins& twins : population.all()) sessions.push_back(&twins.batched);
  const std::vector<TokenId> tokens = population.tokens(sessions.size());
  ASSERT_TRUE(batch.step(sessions, tokens));
  const std::vector<TokenId> text = population.tokens(200);
  ASSERT_TRUE(batch.prefill(Requests{{sessions[0], text}, {sessions[1], text}}));
  for (std::size_t i = 0; i < sessions.size(); ++i) {
    Twins& twins = population.all()[i];
    ASSERT_TRUE(twins.alone.step(tokens[i]));
    if (i < 2) {
      ASSERT_TRUE(twins.alone.prefill(text));
    }
    twins.expect_equal();
  }
}

TEST(SessionBatch, RefusesWhatCannotBeRightAndAdvancesNothing) {
  const auto engine = random_engine(small_config(), 24);
  SessionBatch batch = SessionBatch::open(engine, {.maximum_sessions = 3}).value();
  Population population(engine, 4, 3);
  std::vector<Twins>& twins = population.all();
  const std::vector<TokenId> text = population.tokens(100);
  for (Twins& each : twins) each.both([&](Session& session) { ASSERT_TRUE(session.prefill(text)); });
  Session* const a = &twins[0].batched;
  Session* const b = &twins[1].batched;
  Session* const c = &twins[2].batched;
  Session foreign = Session::open(random_engine(small_config(), 24)).value();
  std::vector<TokenId> wrong = text;
  wrong.back() = 260;

  const auto message = [&](const Requests& requests) {
    const auto result = batch.prefill(requests);
    return result ? std::string("accepted") : result.error().message;
  };
  EXPECT_EQ(message({}), "no sessions in a batch; expected at least one");
  EXPECT_EQ(message({{a, text}, {b, text}, {c, text}, {&twins[3].batched, text}}),
            "4 sessions in a batch; expected at most 3");
  EXPECT_EQ(message({{a, text}, {nullptr, text}}), "session 1 of the batch is null");
  EXPECT_THAT(message({{a, text}, {&foreign, text}}), HasSubstr("session 1 of the batch belongs to another engine"));
  EXPECT_EQ(message({{c, text}, {a, text}, {c, text}}), "sessions 0 and 2 of the batch are the same one");
  EXPECT_THAT(message({{a, text}, {b, {}}}), HasSubstr("session 1 of the batch: no tokens"));
  EXPECT_THAT(message({{a, text}, {b, text}, {c, wrong}}), HasSubstr("session 2 of the batch: token 260"));
  EXPECT_THAT(batch.step(std::vector{a, b}, text).error().message, HasSubstr("100 tokens for 2 sessions"));
  EXPECT_EQ(foreign.position(), 0u);
  for (Twins& each : twins) {
    each.expect_equal();
    EXPECT_TRUE(same_bits(each.batched.step(5).value(), each.alone.step(5).value()));
  }

  const auto opened = [&](const SessionBatchOptions& options) { return SessionBatch::open(engine, options); };
  EXPECT_THAT(opened({.maximum_sessions = 0}).error().message, HasSubstr("maximum sessions is 0"));
  EXPECT_EQ(opened({.maximum_sessions = 1025}).error().code, ErrorCode::kOutOfRange);
  EXPECT_THAT(opened({.threads = 0}).error().message, HasSubstr("threads is 0"));
}

TEST(SessionBatch, AllocatesNothingAfterTheFirstCall) {
  const auto engine = random_engine(wide_config(), 25);
  SessionBatch batch = SessionBatch::open(engine, {.maximum_sessions = 9, .threads = 2}).value();
  Population population(engine, 9, 4);
  std::vector<Session*> sessions;
  for (Twins& twins : population.all()) sessions.push_back(&twins.batched);
  const std::vector<TokenId> tokens = population.tokens(sessions.size());
  const std::vector<TokenId> text = population.tokens(130);
  Requests requests;
  for (Session* session : sessions) requests.push_back({session, text});
  ASSERT_TRUE(batch.prefill(requests));
  const testing::AllocationMeter meter;
  bool advanced = true;
  for (std::size_t i = 0; i < 30; ++i) {
    const std::size_t count = 1 + i % sessions.size();
    advanced &= batch.step(std::span(sessions).first(count), std::span(tokens).first(count)).has_value();
  }
  advanced &= batch.prefill(requests).has_value();
  EXPECT_EQ(meter.peak(), 0u);
  EXPECT_TRUE(advanced);
}

}  // namespace
}  // namespace bitmar
