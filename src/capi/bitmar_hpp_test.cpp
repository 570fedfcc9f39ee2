#include "bitmar/bitmar.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "io/test_support.h"
#include "tests/support/model_file.h"

// The header is used as a program outside of the library would: nothing of the runtime is included.
namespace {

using ::testing::ElementsAreArray;
using ::testing::HasSubstr;

static_assert(!std::is_copy_constructible_v<bitmar::Session> && std::is_nothrow_move_constructible_v<bitmar::Session>);

class BitmarHpp : public ::testing::Test {
 protected:
  bitmar::Engine open(bitmar::testing::SmallModel kind) const {
    bitmar::testing::write_small_model(path_, kind);
    return bitmar::Engine::open(path_).value();
  }
  std::vector<float> read(bitmar::Session& session) const {
    session.reset();
    const auto logits = session.prefill(std::vector<std::uint32_t>{259, 5, 6, 7}).value();
    return {logits.begin(), logits.end()};
  }

  bitmar::testing::TemporaryFolder folder_;
  std::string path_ = folder_.file("model.gguf");
  bitmar::Engine engine_ = open(bitmar::testing::SmallModel::kTower);
  bitmar::Session session_ = bitmar::Session::open(engine_).value();
};

TEST_F(BitmarHpp, ErrorsAreValues) {
  const auto missing = bitmar::Engine::open("no/such.gguf");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().status, BITMAR_ERROR_NOT_FOUND);
  EXPECT_THAT(missing.error().message, HasSubstr("no/such.gguf"));
  EXPECT_EQ(bitmar::Engine::open_bytes({}).error().status, BITMAR_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(session_.step(260).error().status, BITMAR_ERROR_OUT_OF_RANGE);
  EXPECT_EQ(session_.set_image_rgb(std::vector<std::uint8_t>(11), 2, 2).error().status, BITMAR_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(session_.set_features(std::vector<float>(7), 6).error().status, BITMAR_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(session_.set_features({}, 0).error().status, BITMAR_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(session_.forget_episode(3).error().status, BITMAR_ERROR_NOT_FOUND);
}

TEST_F(BitmarHpp, TokenizesAnyBytes) {
  const std::string text("abc \0\xFF 'll", 10);
  const auto ids = engine_.tokenize(text).value();
  EXPECT_LE(ids.size(), text.size());
  EXPECT_EQ(engine_.detokenize(ids).value(), text);
  EXPECT_TRUE(engine_.tokenize("").value().empty());
  EXPECT_EQ(engine_.detokenize({}).value(), "");
}

TEST_F(BitmarHpp, MovedHandlesWorkAndEnginesMayGoFirst) {
  const std::vector<float> expected = read(session_);
  EXPECT_EQ(expected.size(), engine_.vocabulary_size());
  bitmar::Session moved = std::move(session_);
  { const bitmar::Engine gone = std::move(engine_); }
  EXPECT_EQ(read(moved), expected);
  EXPECT_EQ(moved.position(), 4u);
}

TEST_F(BitmarHpp, ScoresTokens) {
  const std::vector<std::uint32_t> ids{259, 5, 6, 7};
  const auto scores = session_.score(ids, 1).value();
  ASSERT_EQ(scores.size(), 3u);
  session_.reset();
  const auto logits = session_.step(259).value();
  double sum = 0;
  for (const float logit : logits) sum += std::exp(double{logit});
  EXPECT_NEAR(scores[0].log_probability, double{logits[5]} - std::log(sum), 1e-11);
  EXPECT_EQ(session_.score(ids, 5).error().status, BITMAR_ERROR_INVALID_ARGUMENT);
  EXPECT_TRUE(session_.score(ids, 4).value().empty());
}

TEST_F(BitmarHpp, AdvancesSessionsTogether) {
  bitmar::Session other = bitmar::Session::open(engine_).value();
  ASSERT_TRUE(other.set_image_rgb(std::vector<std::uint8_t>(3 * 5 * 4, 77), 5, 4));
  const std::vector<float> expected = read(session_);
  const std::vector<float> expected_other = read(other);
  session_.reset();
  other.reset();
  bitmar::Batch batch = bitmar::Batch::open(engine_).value();
  const std::vector<std::uint32_t> start{259, 5, 6};
  const std::vector<bitmar::Batch::Request> requests{{&other, start}, {&session_, start}};
  EXPECT_EQ(batch.prefill(requests).value().size(), 2 * engine_.vocabulary_size());
  const std::vector<bitmar::Session*> sessions{&session_, &other};
  const auto logits = batch.step(sessions, std::vector<std::uint32_t>{7, 7}).value();
  EXPECT_THAT(logits.first(expected.size()), ElementsAreArray(expected));
  EXPECT_THAT(logits.last(expected.size()), ElementsAreArray(expected_other));
  EXPECT_EQ(batch.step(sessions, start).error().status, BITMAR_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(batch.prefill({}).error().status, BITMAR_ERROR_INVALID_ARGUMENT);
  const std::vector<bitmar::Batch::Request> null{{nullptr, start}};
  EXPECT_EQ(batch.prefill(null).error().status, BITMAR_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(other.position(), 4u);
}

TEST_F(BitmarHpp, CaptionsPixelsAndBytesAlike) {
  const std::vector<std::uint8_t> pixels(3 * 5 * 4, 77);
  ASSERT_TRUE(session_.set_image_rgb(pixels, 5, 4));
  EXPECT_TRUE(session_.has_image());
  auto options = bitmar_caption_options_default();
  options.maximum_tokens = 6;
  const auto caption = session_.caption(options).value();
  EXPECT_LE(caption.ids().size(), 6u);
  EXPECT_LT(caption.log_probability(), 0);

  const std::string photo = BITMAR_SOURCE_DIR "/tests/goldens/image/grey.png";
  ASSERT_TRUE(session_.set_image_file(photo));
  const std::string by_file(session_.caption(options).value().text());
  const std::vector<float> by_file_logits = read(session_);
  session_.clear_image();
  EXPECT_NE(read(session_), by_file_logits);
  ASSERT_TRUE(session_.set_image_bytes(bitmar::testing::read_file(photo)));
  EXPECT_EQ(read(session_), by_file_logits);
  EXPECT_EQ(session_.caption(options).value().text(), by_file);
}

TEST_F(BitmarHpp, StreamsWhatItReturns) {
  auto options = bitmar_generate_options_default();
  options.maximum_tokens = 30;
  options.stop_at_end = false;
  std::string heard;
  const auto generation = session_.generate("dog", options, [&](std::string_view piece) {
    heard += piece;
    return true;
  });
  ASSERT_TRUE(generation);
  EXPECT_EQ(generation->text(), heard);
  EXPECT_EQ(generation->ids().size(), 30u);
  EXPECT_EQ(generation->stop_reason(), BITMAR_STOP_MAXIMUM_TOKENS);
  EXPECT_EQ(session_.position(), generation->prompt_tokens() + 30);
  // Without a callback, the same.
  session_.reset();
  const auto silent = session_.generate("dog", options).value();
  EXPECT_THAT(silent.ids(), ElementsAreArray(generation->ids()));
}

TEST_F(BitmarHpp, ACallbackMayThrow) {
  const auto generate = [&] {
    return session_.generate("dog", bitmar_generate_options_default(),
                             [](std::string_view) -> bool { throw std::runtime_error("enough"); });
  };
  EXPECT_THROW((void)generate(), std::runtime_error);
  EXPECT_FALSE(read(session_).empty());
}

TEST_F(BitmarHpp, RemembersAndForgets) {
  const std::vector<float> before = read(session_);
  const std::uint64_t id = session_.write_episode({"a dog", "dog.jpg", ""}).value();
  EXPECT_NE(read(session_), before);
  const auto episodes = session_.episodes().value();
  ASSERT_EQ(episodes.size(), 1u);
  EXPECT_EQ(episodes[0].id, id);
  EXPECT_EQ(episodes[0].provenance.text, "a dog");
  EXPECT_EQ(episodes[0].provenance.source, "dog.jpg");
  EXPECT_EQ(episodes[0].provenance.time.size(), 20u);
  const std::vector<float> written = read(session_);
  ASSERT_TRUE(session_.save_memory(folder_.file("snapshot.memory")));
  EXPECT_TRUE(session_.forget_episode(id));
  EXPECT_EQ(read(session_), before);
  EXPECT_TRUE(session_.load_memory(folder_.file("snapshot.memory")));
  EXPECT_EQ(read(session_), written);
}

// The C API itself stops an exception that a callback throws through it.
TEST_F(BitmarHpp, NoExceptionCrossesTheCApi) {
  bitmar_error error;
  const auto throwing = [](const char*, std::size_t, void*) -> bool { throw std::runtime_error("from a callback"); };
  EXPECT_EQ(bitmar_session_generate(session_.get(), "dog", nullptr, throwing, nullptr, nullptr, &error),
            BITMAR_ERROR_INTERNAL);
  EXPECT_STREQ(error.message, "from a callback");
  EXPECT_FALSE(read(session_).empty());
}

}  // namespace
