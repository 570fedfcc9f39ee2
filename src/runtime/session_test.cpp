#include "runtime/session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "tests/support/random_model.h"
#include "tests/support/reference_model.h"

namespace bitmar {
namespace {

using ::testing::HasSubstr;
using testing::random_engine;
using testing::random_features;
using testing::random_tokens;
using testing::small_config;

struct Variant {
  const char* name;
  bool image;
  MemoryMode memory;
  QueryKind query = QueryKind::kMean;
  InjectionKind injection = InjectionKind::kAdd;
  bool model_memory = true;
};

std::vector<Variant> variants() {
  return {{"text", false, MemoryMode::kReadWrite},
          {"image", true, MemoryMode::kReadWrite},
          {"text_memory_off", false, MemoryMode::kOff},
          {"image_memory_off", true, MemoryMode::kOff},
          {"image_exponential", true, MemoryMode::kReadOnly, QueryKind::kExponential},
          {"image_concatenate", true, MemoryMode::kReadOnly, QueryKind::kMean, InjectionKind::kConcatenate},
          {"concatenate_memory_off", false, MemoryMode::kOff, QueryKind::kMean, InjectionKind::kConcatenate},
          {"no_memory_in_model", true, MemoryMode::kReadWrite, QueryKind::kMean, InjectionKind::kAdd, false},
          {"concatenate_no_memory", true, MemoryMode::kOff, QueryKind::kMean, InjectionKind::kConcatenate, false}};
}

ModelConfig config_of(const Variant& variant) {
  ModelConfig config = small_config();
  config.query = variant.query;
  config.injection = variant.injection;
  config.memory = variant.model_memory;
  return config;
}

Session session_of(const std::shared_ptr<const Engine>& engine, const Variant& variant, std::size_t threads = 1) {
  Session session = Session::open(engine, {.memory = variant.memory, .threads = threads}).value();
  if (variant.image) {
    const std::vector<float> features = random_features(engine->config(), 16, 5);
    EXPECT_TRUE(session.set_features({features, 16, engine->config().vision_width}));
  }
  return session;
}

// Logits after every token.
std::vector<std::vector<float>> all_logits(Session& session, std::span<const TokenId> tokens) {
  std::vector<std::vector<float>> rows;
  for (const TokenId token : tokens) {
    const auto logits = session.step(token).value();
    rows.emplace_back(logits.begin(), logits.end());
  }
  return rows;
}

class SessionVariants : public ::testing::TestWithParam<Variant> {};

INSTANTIATE_TEST_SUITE_P(All, SessionVariants, ::testing::ValuesIn(variants()),
                         [](const auto& info) { return std::string(info.param.name); });

TEST_P(SessionVariants, ATokenChangesNoLogitBeforeIt) {
  const auto engine = random_engine(config_of(GetParam()), 11);
  const std::vector<TokenId> tokens = random_tokens(engine->config(), 24, 3);
  Session session = session_of(engine, GetParam());
  const auto expected = all_logits(session, tokens);
  for (const std::size_t changed : {1u, 6u, 7u, 13u, 23u}) {
    std::vector<TokenId> other = tokens;
    for (std::size_t i = changed; i < other.size(); ++i) other[i] = (other[i] + 1 + static_cast<TokenId>(i)) % 256;
    Session again = session_of(engine, GetParam());
    // Read in one piece, where a later token could reach an earlier one.
    std::vector<std::vector<float>> rows;
    ASSERT_TRUE(again.score(
        other, [&](std::size_t, std::span<const float> logits) { rows.emplace_back(logits.begin(), logits.end()); }));
    for (std::size_t t = 0; t < changed; ++t) EXPECT_EQ(rows[t], expected[t]) << "changed " << changed << ", t " << t;
    EXPECT_NE(rows[changed], expected[changed]);
  }
}

TEST_P(SessionVariants, APromptGivesTheSameBitsHoweverItIsCut) {
  const auto engine = random_engine(config_of(GetParam()), 12);
  const std::vector<TokenId> tokens = random_tokens(engine->config(), 150, 4);
  Session session = session_of(engine, GetParam());
  const auto expected = all_logits(session, tokens);
  for (const std::size_t piece : {1u, 2u, 7u, 63u, 64u, 65u, 150u}) {
    for (const std::size_t threads : {1u, 3u}) {
      Session other = session_of(engine, GetParam(), threads);
      for (std::size_t first = 0; first < tokens.size(); first += piece) {
        const std::size_t count = std::min(piece, tokens.size() - first);
        const auto logits = other.prefill(std::span(tokens).subspan(first, count)).value();
        ASSERT_EQ(std::vector(logits.begin(), logits.end()), expected[first + count - 1])
            << "pieces of " << piece << ", " << threads << " threads, at " << first;
      }
    }
  }
}

// The runtime in floats against the whole model in doubles, recomputed for every token, through three wraps of the
// window. An activation within kTieMargin codes of a tie may be rounded the other way in floats, which changes
// everything after it: such models are passed over, and enough others must remain.
TEST_P(SessionVariants, EqualsTheModelRecomputedInDoubles) {
  ModelConfig config = config_of(GetParam());
  config.encoder_layers = 1;
  config.decoder_layers = 1;
  // 2 + 3 * 5 tokens wrap the window three times. Between two roundings to codes stand about 15 float operations on
  // rows of at most 24 elements, each off by at most 2^-24 of the row's scale; the errors add up like a random walk.
  // Four deviations of it bound the error of a logit, and 127 times that the error of a code before it is rounded.
  const double kRelative = 4 * std::sqrt(15.0 * 24.0) * 0x1p-24;
  const double kTieMargin = 127 * kRelative;
  constexpr std::size_t kTokens = 2 + 3 * 5 + 2;
  constexpr int kModels = 4;
  int compared = 0;
  for (std::uint64_t seed = 1; seed <= 3000 && compared < kModels; ++seed) {
    const auto file = testing::random_model_file(config, seed);
    testing::ReferenceInput input{random_tokens(config, kTokens, seed), {}, GetParam().memory != MemoryMode::kOff};
    const std::vector<float> features = random_features(config, 16, 5);
    for (std::size_t patch = 0; patch < 16 && GetParam().image; ++patch) {
      const auto row = std::span(features).subspan(patch * config.vision_width, config.vision_width);
      input.features.emplace_back(row.begin(), row.end());
    }
    const testing::ReferenceOutput expected = run_reference(file, input);
    if (expected.closest_tie < kTieMargin) continue;
    ++compared;

    Session session = session_of(Engine::parse(file, "random.gguf").value(), GetParam());
    const auto logits = all_logits(session, input.tokens);
    double largest = 0;
    double difference = 0;
    for (std::size_t t = 0; t < logits.size(); ++t) {
      for (std::size_t i = 0; i < logits[t].size(); ++i) {
        largest = std::max(largest, std::abs(expected.logits[t][i]));
        difference = std::max(difference, std::abs(expected.logits[t][i] - static_cast<double>(logits[t][i])));
      }
    }
    EXPECT_LE(difference, kRelative * largest) << "seed " << seed << ", tie " << expected.closest_tie;
    if (!expected.memory_attention.empty()) {
      const auto attention = session.memory_attention();
      for (std::size_t slot = 0; slot < attention.size(); ++slot) {
        EXPECT_NEAR(attention[slot], expected.memory_attention.back()[slot], kRelative);
      }
      for (std::size_t i = 0; i < config.width; ++i) {
        EXPECT_NEAR(session.episode_query()[i], expected.mean_query[i], kRelative);
      }
    }
  }
  EXPECT_EQ(compared, kModels);
}

TEST(Session, AnImageChangesTheLogits) {
  const auto engine = random_engine(small_config(), 3);
  Session without = session_of(engine, {"", false, MemoryMode::kReadOnly});
  Session with = session_of(engine, {"", true, MemoryMode::kReadOnly});
  EXPECT_FALSE(without.has_image());
  EXPECT_TRUE(with.has_image());
  const auto a = without.step(1).value();
  const auto b = with.step(1).value();
  EXPECT_FALSE(std::ranges::equal(a, b));
  with.clear_image();
  with.reset();
  EXPECT_TRUE(std::ranges::equal(with.step(1).value(), a));
}

TEST(Session, ResetStartsOver) {
  const auto engine = random_engine(small_config(), 3);
  Session session = Session::open(engine).value();
  EXPECT_TRUE(session.logits().empty());
  const auto first = session.prefill(std::vector<TokenId>{5, 6, 7}).value();
  const std::vector<float> expected(first.begin(), first.end());
  EXPECT_EQ(session.position(), 3u);
  session.reset();
  EXPECT_EQ(session.position(), 0u);
  EXPECT_TRUE(std::ranges::equal(session.prefill(std::vector<TokenId>{5, 6, 7}).value(), expected));
}

TEST(Session, RefusesWhatCannotBeRight) {
  const auto engine = random_engine(small_config(), 3);
  Session session = Session::open(engine).value();
  EXPECT_THAT(session.prefill({}).error().message, HasSubstr("no tokens"));
  EXPECT_THAT(session.step(260).error().message, HasSubstr("token 260"));
  const std::vector<float> features(12);
  EXPECT_THAT(session.set_features({features, 3, 4}).error().message, HasSubstr("4 wide"));
  EXPECT_THAT(session.set_features({{}, 0, 6}).error().message, HasSubstr("0 patch"));
  const std::vector<float> infinite(6, INFINITY);
  EXPECT_THAT(session.set_features({infinite, 1, 6}).error().message, HasSubstr("not finite"));
  EXPECT_EQ(session.set_image(Image{1, 1, {1, 2, 3}}).error().code, ErrorCode::kUnsupported);
  EXPECT_EQ(session.write_episode({}).error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(Session::open(engine, {.threads = 0}).error().message, HasSubstr("threads is 0"));
  EXPECT_EQ(session.position(), 0u);
}

}  // namespace
}  // namespace bitmar
