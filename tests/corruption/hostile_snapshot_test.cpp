// A damaged memory snapshot: parsing, and reading a text with what was accepted.
#include <cmath>
#include <memory>
#include <string>
#include <utility>

#include "hostile_file.h"
#include "io/test_support.h"
#include "runtime/memory_snapshot.h"
#include "runtime/session.h"
#include "tests/support/random_model.h"

namespace bitmar::testing {
namespace {

class HostileSnapshot : public ::testing::Test {
 protected:
  void SetUp() override {
    Session writer = Session::open(engine_).value();
    const std::vector<float> features = random_features(engine_->config(), 4, 3);
    ASSERT_TRUE(writer.set_features({features, 4, engine_->config().vision_width}));
    for (const char* text : {"first", "second", "third"}) {
      ASSERT_TRUE(writer.prefill(random_tokens(engine_->config(), 5, text[0])));
      ASSERT_TRUE(writer.write_episode({text, "photo.jpg", "2026-01-31T23:59:59Z"}));
    }
    ASSERT_TRUE(writer.step(1));
    writer.end_episode();
    const TemporaryFolder folder;
    ASSERT_TRUE(save_memory_snapshot(**writer.memory(), folder.file("valid.memory")));
    valid_ = read_file(folder.file("valid.memory"));
  }

  // Whatever is accepted must be a memory that a model can compute with.
  bool read(const Bytes& bytes) {
    auto memory = parse_memory_snapshot(bytes, "hostile.memory", engine_);
    if (!memory) {
      EXPECT_TRUE(memory.error().message.starts_with("hostile.memory: ")) << memory.error().message;
      return false;
    }
    EXPECT_TRUE(session_.set_memory(std::move(*memory)));
    session_.reset();
    const auto logits = session_.step(7).value();
    EXPECT_TRUE(std::ranges::all_of(logits, [](float logit) { return std::isfinite(logit); }));
    return true;
  }

  [[nodiscard]] std::size_t header_bytes() const {
    return 8 + std::to_integer<std::size_t>(valid_[0]) + 256 * std::to_integer<std::size_t>(valid_[1]);
  }

  const std::shared_ptr<const Engine> engine_ = random_engine(small_config(), 5);
  Session session_ = Session::open(engine_, {.memory = MemoryMode::kReadOnly}).value();
  Bytes valid_;
};

TEST_F(HostileSnapshot, CutAtEveryByte) {
  truncate_everywhere(valid_, valid_.size(), [this](const Bytes& bytes) { return read(bytes); });
}

TEST_F(HostileSnapshot, TenThousandBitFlips) {
  const auto reader = [this](const Bytes& bytes) { return read(bytes); };
  // Most flips of the header break it; most flips of the data give another valid memory.
  EXPECT_LT(flip_bits(valid_, header_bytes(), 6'000, 51, reader), 600u);
  EXPECT_GT(flip_bits(valid_, valid_.size(), 4'000, 52, reader), 100u);
}

TEST_F(HostileSnapshot, ExtremesAtEveryOffset) {
  overwrite_everywhere(valid_, valid_.size(), [this](const Bytes& bytes) { return read(bytes); });
}

}  // namespace
}  // namespace bitmar::testing
