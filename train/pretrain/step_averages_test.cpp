#include "pretrain/step_averages.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

namespace bitmar {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::HasSubstr;

class StepAveragesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(::testing::TempDir()) / "bitmar_step_averages";
    fs::remove_all(folder_);
    StreamSettings photos, words, practice;
    photos.name = "photos";
    words.name = "words";
    practice.name = "practice";
    practice.samples = 3;
    settings_.data.train = {photos, words, practice};
  }
  void TearDown() override { fs::remove_all(folder_); }

  // A step of batches of one stream.
  static StepOutcome step_of(std::size_t stream, double value, std::uint32_t batches) {
    StepOutcome outcome;
    outcome.total = value;
    outcome.consistency = 1.0;
    outcome.gradient_norm = value;
    outcome.applied = true;
    outcome.flops = 10.0;
    outcome.streams.resize(3);
    StreamLoss& loss = outcome.streams[stream];
    loss.batches = batches;
    (stream == 2 ? loss.reward : loss.language) = value;
    if (stream != 2) outcome.language = value;
    if (stream == 0) {
      outcome.contrast = 2.0 * value;
      outcome.cosine = 0.5;
    }
    return outcome;
  }

  // The line that the averages log, without its time.
  json logged(StepAverages& averages) const {
    fs::remove_all(folder_);
    auto log = RunLog::open(folder_.string(), std::nullopt).value();
    averages.log(log);
    EXPECT_TRUE(log.commit(7));
    EXPECT_TRUE(log.flush());
    std::ifstream file(folder_ / "log.jsonl");
    std::string line;
    if (!std::getline(file, line)) return json::object();
    json all = json::parse(line);
    all.erase("time");
    all.erase("step");
    return all;
  }

  fs::path folder_;
  PretrainSettings settings_;
};

TEST_F(StepAveragesTest, SeesEveryStreamAndWeighsItsBatches) {
  StepAverages averages(settings_);
  averages.add(step_of(0, 3.0, 1));
  averages.add(step_of(0, 6.0, 2));
  averages.add(step_of(2, 0.25, 2));
  averages.add(step_of(1, 4.0, 4));  // the step that is logged
  const json expected = {{"loss/total", 3.3125},         {"loss/language", 13.0 / 3.0},
                         {"loss/contrast", 9.0},         {"alignment/batch_cosine", 0.5},
                         {"loss/memory", 1.0},           {"train/gradient_norm", 3.3125},
                         {"train/flops_per_step", 10.0}, {"stream/photos/loss", 5.0},
                         {"stream/words/loss", 4.0},     {"stream/practice/reward", 0.25}};
  EXPECT_EQ(logged(averages), expected);
}

TEST_F(StepAveragesTest, StartsAnewAndLeavesOutWhatNoStepHad) {
  StepAverages averages(settings_);
  averages.add(step_of(0, 3.0, 1));
  (void)logged(averages);
  EXPECT_EQ(logged(averages), json::object());
  StepOutcome skipped = step_of(1, 4.0, 1);
  skipped.applied = false;
  averages.add(skipped);
  const json line = logged(averages);
  EXPECT_EQ(line.at("stream/words/loss"), 4.0);
  for (const char* key : {"stream/photos/loss", "alignment/batch_cosine", "train/gradient_norm"}) {
    EXPECT_FALSE(line.contains(key)) << key;
  }
}

TEST_F(StepAveragesTest, GoesOnFromItsState) {
  StepAverages whole(settings_), first(settings_), second(settings_);
  for (StepAverages* averages : {&whole, &first}) averages->add(step_of(0, 1.0 / 3.0, 1));
  ASSERT_TRUE(second.restore(first.state()));
  for (StepAverages* averages : {&whole, &second}) averages->add(step_of(0, 1.0 / 7.0, 3));
  EXPECT_EQ(logged(second), logged(whole));

  settings_.data.train.pop_back();
  StepAverages narrower(settings_);
  const auto refused = narrower.restore(first.state());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kInvalidFile);
  EXPECT_THAT(refused.error().message, HasSubstr("run.averages"));
}

}  // namespace
}  // namespace bitmar
