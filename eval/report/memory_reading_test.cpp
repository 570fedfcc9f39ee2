#include "eval/report/memory_reading.h"

#include <gmock/gmock.h>

#include <numeric>

#include "tests/support/random_model.h"

namespace bitmar::report {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Session open_with_image(const std::shared_ptr<const Engine>& engine, MemoryMode mode) {
  auto session = Session::open(engine, {.memory = mode, .threads = 1});
  EXPECT_TRUE(session);
  const ModelConfig& config = engine->config();
  const auto features = testing::random_features(config, 4, 3);
  EXPECT_TRUE(session->set_features({features, 4, config.vision_width}));
  return *std::move(session);
}

TEST(MemoryReadingTest, WordsHaveTheMeanOfTheirTokens) {
  std::size_t words = 0;
  std::size_t compared = 0;
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    const auto engine = testing::random_engine(testing::small_config(), seed);
    Session session = open_with_image(engine, MemoryMode::kReadOnly);
    const auto written = caption(session, {.beam = {.width = 2, .maximum_tokens = 30}});
    ASSERT_TRUE(written);
    const auto reading = read_caption(session, {.beam = {.width = 2, .maximum_tokens = 30}});
    ASSERT_TRUE(reading) << reading.error().message;
    EXPECT_EQ(reading->caption, written->text);

    // The same from all tokens at once: the sums over tokens and words are equal.
    Session other = open_with_image(engine, MemoryMode::kReadOnly);
    std::vector<double> expected(engine->config().memory_slots, 0.0);
    std::vector<TokenId> context = {engine->tokenizer().end_of_text()};
    std::size_t in_words = 0;
    for (const TokenId token : written->ids) {
      other.reset();
      ASSERT_TRUE(other.read(context));
      context.push_back(token);
      ++in_words;
      for (std::size_t slot = 0; slot < expected.size(); ++slot) expected[slot] += other.memory_attention()[slot];
    }
    if (reading->words.size() == 1) {
      ++compared;
      for (std::size_t slot = 0; slot < expected.size(); ++slot) {
        EXPECT_NEAR(reading->words[0].attention[slot], expected[slot] / static_cast<double>(in_words), 1e-6);
      }
    }
    for (const WordReading& word : reading->words) {
      EXPECT_NEAR(std::accumulate(word.attention.begin(), word.attention.end(), 0.0), 1.0, 1e-4);
    }
    words += reading->words.size();
  }
  EXPECT_GE(words, 8u);
  EXPECT_GE(compared, 1u);
}

TEST(MemoryReadingTest, FigureShowsTheMostReadSlots) {
  const MemoryReading reading{"A <dog>.", {{"A", {0.1, 0.6, 0.05, 0.25}}, {"<dog>.", {0.5, 0.2, 0.05, 0.25}}}};
  EXPECT_THAT(most_read_slots(reading, 2), ElementsAre(0, 1));
  EXPECT_THAT(most_read_slots(reading, 9), ElementsAre(0, 1, 2, 3));
  const auto figure = reading_figure(reading);
  ASSERT_TRUE(figure) << figure.error().message;
  EXPECT_THAT(figure->description, HasSubstr("“A” reads slot 1 most (0.600). “<dog>.” reads slot 0 most (0.500)."));
  EXPECT_THAT(figure->drawing.elements, HasSubstr(">&lt;dog&gt;.</text>"));
  EXPECT_THAT(figure->caption, HasSubstr("100.0 % of the attention"));
}

TEST(MemoryReadingTest, WithoutMemoryThereIsNothingToShow) {
  Session session = open_with_image(testing::random_engine(testing::small_config(), 1), MemoryMode::kOff);
  const auto reading = read_caption(session, {});
  ASSERT_FALSE(reading);
  EXPECT_EQ(reading.error().code, ErrorCode::kUnsupported);
}

}  // namespace
}  // namespace bitmar::report
