// What an episodic memory is for: an episode changes what the same input retrieves and what the model says, and
// forgetting it gives back the bits of before.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <numeric>
#include <string>
#include <vector>

#include "image/image.h"
#include "io/test_support.h"
#include "runtime/memory_snapshot.h"
#include "runtime/session.h"
#include "tests/support/random_model.h"

namespace bitmar {
namespace {

using testing::random_engine;
using testing::random_features;
using testing::random_tokens;

constexpr std::size_t kPatches = 16;

// The shipped model's memory on narrower stacks: as wide slots (their cosines with a query are small), of which an
// episode writes few.
ModelConfig memorable_config() {
  ModelConfig config = testing::small_config();
  config.width = 128;
  config.memory_slots = 64;
  config.memory_write_slots = 4;
  return config;
}

// One photo with its words.
struct Input {
  std::vector<float> features;
  std::vector<TokenId> tokens;
};

Input random_input(const Engine& engine, std::uint64_t seed) {
  return {random_features(engine.config(), kPatches, seed), random_tokens(engine.config(), 10, seed)};
}

struct Reading {
  std::vector<float> logits;     // [V], after the last token
  std::vector<float> attention;  // [K], of the last token
};

Reading read(Session& session, const Input& input) {
  session.reset();
  EXPECT_TRUE(session.set_features({input.features, kPatches, session.engine().config().vision_width}));
  const auto logits = session.prefill(input.tokens).value();
  const auto attention = session.memory_attention();
  return {{logits.begin(), logits.end()}, {attention.begin(), attention.end()}};
}

// Mean attention on the first `count` slots of an episode, which have its largest weights, over the mean on the slots
// that it did not write.
double contrast(const Reading& reading, const Episode& episode, std::size_t count) {
  double others = std::accumulate(reading.attention.begin(), reading.attention.end(), 0.0);
  double chosen = 0;
  for (std::size_t i = 0; i < episode.slots.size(); ++i) {
    const double attention = reading.attention[episode.slots[i].slot];
    others -= attention;
    if (i < count) chosen += attention;
  }
  const std::size_t unwritten = reading.attention.size() - episode.slots.size();
  return (chosen / static_cast<double>(count)) / (others / static_cast<double>(unwritten));
}

class MemoryEffect : public ::testing::TestWithParam<std::uint64_t> {
 protected:
  const std::shared_ptr<const Engine> engine_ = random_engine(memorable_config(), GetParam());
  Session session_ = Session::open(engine_).value();
  const Input seen_ = random_input(*engine_, 100 + GetParam());
};

INSTANTIATE_TEST_SUITE_P(Models, MemoryEffect, ::testing::Range<std::uint64_t>(1, 21));

// Writing avoids used slots, so before it those that it will choose are read less than the others. After it the first
// of them has usage 1, twice the mean of the others', and lies closer to the query; a cosine of two random vectors of
// width 128 is about ±0.1 and moves an attention by a fifth either way. So 1.25 is well below what must be seen.
TEST_P(MemoryEffect, AnEpisodeRaisesTheAttentionOnItsSlots) {
  const Reading before = read(session_, seen_);
  const std::uint64_t id = session_.write_episode({"seen", "", ""}).value();
  const Episode episode = *(*session_.memory())->find(id);
  ASSERT_EQ(episode.slots.size(), 4u);
  const Reading after = read(session_, seen_);
  EXPECT_NE(after.logits, before.logits);
  EXPECT_GT(contrast(after, episode, 1), 1.25);
  EXPECT_GT(contrast(after, episode, 4), 1.1);
  EXPECT_GT(contrast(after, episode, 1), 1.25 * contrast(before, episode, 1));
  EXPECT_GT(contrast(after, episode, 4), 1.25 * contrast(before, episode, 4));
}

TEST_P(MemoryEffect, ForgettingGivesBackTheBitsOfBefore) {
  const Input other = random_input(*engine_, 200 + GetParam());
  const Reading before = read(session_, seen_);
  const std::uint64_t first = session_.write_episode({"first", "", ""}).value();
  const Reading with_first = read(session_, seen_);
  read(session_, other);
  const std::uint64_t second = session_.write_episode({"second", "", ""}).value();
  EXPECT_NE(read(session_, seen_).logits, with_first.logits);

  Memory* memory = session_.writable_memory().value();
  ASSERT_TRUE(memory->forget(second));
  EXPECT_EQ(read(session_, seen_).logits, with_first.logits);
  EXPECT_EQ(read(session_, seen_).attention, with_first.attention);
  ASSERT_TRUE(memory->forget(first));
  EXPECT_EQ(read(session_, seen_).logits, before.logits);
  EXPECT_EQ(read(session_, seen_).attention, before.attention);
}

TEST_P(MemoryEffect, ExportAndImportKeepTheBits) {
  const testing::TemporaryFolder folder;
  read(session_, seen_);
  ASSERT_TRUE(session_.write_episode({"seen", "", ""}));
  read(session_, random_input(*engine_, 200 + GetParam()));
  session_.end_episode();
  const Reading expected = read(session_, seen_);
  ASSERT_TRUE(save_memory_snapshot(**session_.memory(), folder.file("a.memory")));

  // As another process would: the model loaded anew.
  const auto engine = random_engine(memorable_config(), GetParam());
  Session session = Session::open(engine, {.memory = MemoryMode::kReadOnly}).value();
  EXPECT_NE(read(session, seen_).logits, expected.logits);
  auto memory = load_memory_snapshot(folder.file("a.memory"), engine);
  ASSERT_TRUE(memory) << memory.error().message;
  ASSERT_TRUE(session.set_memory(std::move(*memory)));
  EXPECT_EQ(read(session, seen_).logits, expected.logits);
  EXPECT_EQ(read(session, seen_).attention, expected.attention);
}

// The same on the model that BITMAR_MODEL names, or the shipped one, with real photos: an episode is content-addressed,
// so its slot, which hardly anything read before, is read by its own photo more than by another. These photos are of
// kinds that the shipped model was not trained on, so of one pair the opposite may hold.
TEST(ShippedMemory, AnEpisodeIsFoundByItsPhoto) {
  const char* const named = std::getenv("BITMAR_MODEL");
  const std::string path = named != nullptr ? named : BITMAR_SOURCE_DIR "/models/bitmar-14m.gguf";
  ASSERT_TRUE(std::filesystem::exists(path)) << path;
  const auto engine = Engine::open(path).value();
  const std::vector<std::string> photos = {"astronaut.jpg", "camera.jpg", "chelsea.jpg", "coffee.jpg", "rocket.jpg"};
  const auto read_photo = [&](Session& session, const std::string& name) {
    EXPECT_TRUE(session.set_image(load_image(BITMAR_SOURCE_DIR "/examples/" + name).value()));
    session.reset();
    const auto logits = session.step(engine->tokenizer().end_of_text()).value();
    const auto attention = session.memory_attention();
    return Reading{{logits.begin(), logits.end()}, {attention.begin(), attention.end()}};
  };
  std::size_t found = 0;
  for (std::size_t i = 0; i < photos.size(); ++i) {
    Session session = Session::open(engine).value();
    const Reading before = read_photo(session, photos[i]);
    const std::uint64_t id = session.write_episode({"", photos[i], ""}).value();
    const Episode episode = *(*session.memory())->find(id);
    const Reading after = read_photo(session, photos[i]);
    const Reading other_after = read_photo(session, photos[(i + 1) % photos.size()]);
    const double rise = contrast(after, episode, 1) / contrast(before, episode, 1);
    RecordProperty(photos[i], fmt::format("{} by itself, {} by the next", contrast(after, episode, 1),
                                          contrast(other_after, episode, 1)));
    EXPECT_GT(contrast(after, episode, 1), 1.25) << photos[i];
    EXPECT_GT(rise, 1.25) << photos[i];
    found += contrast(after, episode, 1) > contrast(other_after, episode, 1) ? 1 : 0;
    EXPECT_NE(after.logits, before.logits) << photos[i];
  }
  EXPECT_GE(found, photos.size() - 1);
}

}  // namespace
}  // namespace bitmar
