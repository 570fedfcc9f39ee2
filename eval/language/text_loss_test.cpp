#include "eval/language/text_loss.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/random_model.h"

namespace bitmar {
namespace {

using ::testing::Each;
using ::testing::Field;
using testing::OutputHead;
using testing::random_engine;
using testing::random_tokens;
using testing::small_config;

TaskContext context_of(std::shared_ptr<const Engine> engine, std::size_t threads = 1) {
  TaskContext context;
  context.engine = std::move(engine);
  context.threads = threads;
  return context;
}

TextLoss sum(std::span<const StreamLoss> stream) {
  TextLoss all;
  for (const StreamLoss& block : stream) all += block.loss;
  return all;
}

// Surprisal of tokens[scored..], read one by one, in extended precision.
double nats_of(Session& session, std::span<const TokenId> tokens, std::size_t scored) {
  long double sum = 0;
  session.reset();
  for (std::size_t i = 0; i + 1 < tokens.size(); ++i) {
    const auto logits = *session.step(tokens[i]);
    if (i + 1 < scored) continue;
    long double total = 0;
    for (const float logit : logits) total += std::exp(static_cast<long double>(logit));
    sum -= static_cast<long double>(logits[tokens[i + 1]]) - std::log(total);
  }
  return static_cast<double>(sum);
}

TEST(TextLoss, CountsWordsAndBytesByHand) {
  const auto engine = random_engine(small_config(), 1);
  const Tokenizer& tokenizer = engine->tokenizer();
  const auto tokens = tokenizer.encode("one  two\nthree ");
  const TextLoss count = count_text(tokenizer, tokens, "");
  EXPECT_EQ(count.tokens, static_cast<double>(tokens.size()));
  EXPECT_EQ(count.words, 3.0);
  EXPECT_EQ(count.bytes, 15.0);
  EXPECT_EQ(count_text(tokenizer, tokens, "no blank").words, 2.0);  // its first word goes on
  EXPECT_EQ(count_text(tokenizer, tokens, "blank ").words, 3.0);
}

TEST(TextLoss, WindowsAreReadEachInAContextOfItsOwn) {
  const auto engine = random_engine(small_config(), 5);
  const auto tokens = random_tokens(small_config(), 20, 2);
  const TextWindow window{.window = 7, .stride = 3};
  const std::vector<TextBlock> blocks = blocks_of(tokens, window.stride, 0);
  const auto losses = window_losses(context_of(engine), blocks, window, {});
  ASSERT_TRUE(losses) << losses.error().message;
  ASSERT_EQ(losses->size(), 6u);
  Session session = *Session::open(engine, {.memory = MemoryMode::kReadOnly});
  for (std::size_t block = 0; block < 6; ++block) {
    const std::size_t begin = block * 3;
    std::vector<TokenId> read;
    if (begin == 0) read.push_back(engine->tokenizer().end_of_text());
    const std::size_t first = begin - std::min<std::size_t>(begin, 4);
    read.insert(read.end(), tokens.begin() + static_cast<std::ptrdiff_t>(first),
                tokens.begin() + static_cast<std::ptrdiff_t>(begin + 3));
    EXPECT_NEAR((*losses)[block].nats, nats_of(session, read, read.size() - 3), 1e-9) << block;
    EXPECT_EQ((*losses)[block].tokens, 3.0);
  }
  const auto threaded = *window_losses(context_of(engine, 3), blocks, window, {});
  for (std::size_t block = 0; block < 6; ++block) EXPECT_EQ(threaded[block].nats, (*losses)[block].nats);
  EXPECT_EQ(blocks_of(tokens, window.stride, 2).size(), 2u);
}

TEST(TextLoss, UniformModelCostsTheLogarithmOfItsVocabulary) {
  const auto engine = random_engine(small_config(), 5, OutputHead::kZero);
  const auto tokens = random_tokens(small_config(), 40, 2);
  const double expected = std::log(small_config().vocabulary);
  const TextLoss in_windows =
      total(*window_losses(context_of(engine), blocks_of(tokens, 3, 0), {.window = 7, .stride = 3}, {}));
  EXPECT_NEAR(in_windows.nats / in_windows.tokens, expected, 1e-9);
  Session session = *Session::open(engine, {.memory = MemoryMode::kReadOnly});
  const TextLoss streamed = sum(*stream_losses(session, tokens, {.block = 8, .episode = 5}, 0, {}));
  EXPECT_NEAR(streamed.nats / streamed.tokens, expected, 1e-9);
}

TEST(TextLoss, StreamIsOneReadingPastTheCache) {
  const auto engine = random_engine(small_config(), 6);
  const auto tokens = random_tokens(small_config(), 90, 3);  // the cache holds 7
  Session streaming = *Session::open(engine, {.memory = MemoryMode::kOff});
  const auto losses = stream_losses(streaming, tokens, {.block = 9, .episode = 5}, 0, {});
  ASSERT_TRUE(losses) << losses.error().message;
  ASSERT_EQ(losses->size(), 10u);
  EXPECT_THAT(*losses, Each(Field(&StreamLoss::session_growth, 0)));
  std::vector<TokenId> read = {engine->tokenizer().end_of_text()};
  read.insert(read.end(), tokens.begin(), tokens.end());
  Session alone = *Session::open(engine, {.memory = MemoryMode::kOff});
  EXPECT_NEAR(sum(*losses).nats, nats_of(alone, read, 1), 1e-8);
  double last = nats_of(alone, read, read.size() - 9);
  EXPECT_NEAR(losses->back().loss.nats, last, 1e-9);
}

TEST(TextLoss, EpisodesAreWrittenWhereTheSessionMay) {
  const auto engine = random_engine(small_config(), 6);
  const auto tokens = random_tokens(small_config(), 60, 3);
  Session reading = *Session::open(engine, {.memory = MemoryMode::kReadOnly});
  Session writing = *Session::open(engine, {.memory = MemoryMode::kReadWrite});
  const StreamPlan plan{.block = 6, .episode = 6};
  const auto read = *stream_losses(reading, tokens, plan, 0, {});
  const auto written = *stream_losses(writing, tokens, plan, 0, {});
  EXPECT_EQ((*writing.memory())->episodes().size(), 10u);
  EXPECT_TRUE((*reading.memory())->episodes().empty());
  EXPECT_EQ(read[0].loss.nats, written[0].loss.nats);  // nothing is written yet
  EXPECT_NE(sum(read).nats, sum(written).nats);
}

TEST(TextLoss, StreamGoesOnInItsMidstAsIfAllBeforeWasScored) {
  const auto engine = random_engine(small_config(), 6);
  const auto tokens = random_tokens(small_config(), 95, 3);
  const StreamPlan plan{.block = 9, .episode = 5};
  for (const MemoryMode memory : {MemoryMode::kReadOnly, MemoryMode::kReadWrite, MemoryMode::kOff}) {
    Session whole = *Session::open(engine, {.memory = memory});
    const auto losses = *stream_losses(whole, tokens, plan, 0, {});
    for (const std::size_t first : {1u, 7u, 9u, 10u, 11u}) {
      Session session = *Session::open(engine, {.memory = memory, .threads = 2});
      std::vector<double> nats;
      const auto rest =
          stream_losses(session, tokens, plan, first, [&](std::span<const StreamLoss> next) -> Result<void> {
            for (const StreamLoss& block : next) nats.push_back(block.loss.nats);
            return {};
          });
      ASSERT_TRUE(rest) << rest.error().message;
      ASSERT_EQ(rest->size(), 10 - std::min<std::size_t>(first, 10));
      ASSERT_EQ(nats.size(), rest->size());
      for (std::size_t i = 0; i < rest->size(); ++i) {
        EXPECT_EQ((*rest)[i].loss.nats, losses[first + i].loss.nats);
        EXPECT_EQ(nats[i], losses[first + i].loss.nats);
        EXPECT_EQ((*rest)[i].session_growth, 0);
      }
    }
  }
}

}  // namespace
}  // namespace bitmar
