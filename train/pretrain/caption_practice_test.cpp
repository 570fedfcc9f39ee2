#include "pretrain/caption_practice.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <numeric>
#include <string>
#include <vector>

#include "data/testing.h"
#include "nn/testing.h"
#include "pretrain/learner.h"

namespace bitmar {
namespace {

using ::testing::HasSubstr;

class CaptionPracticeTest : public testing_data::DataTest {
 protected:
  void SetUp() override {
    DataTest::SetUp();
    at::set_num_threads(1);
    torch::manual_seed(2);
    add_captions("captions", 12, 3);
    StreamSettings practice{.name = "practice", .sources = {"captions"}};
    practice.features = {add_features("features.npy", 12, 4, 0.25f)};
    practice.rows = 6;
    practice.segments = 3;
    practice.length = 10;
    practice.samples = 4;
    StreamSettings given = practice;
    given.name = "given";
    given.samples = 0;
    settings_.train = {practice, given};
    pretrain_.model = testing_nn::small_config();
    pretrain_.model.vocabulary = static_cast<std::uint32_t>(tokenizer_.vocabulary_size());
    pretrain_.model.vision_width = 2;
    pretrain_.data = settings_;
    loader_ = BatchLoader::open(settings_, settings_.train, false).value();
  }
  CaptionPractice practice() const { return CaptionPractice::open(settings_, *loader_, tokenizer_).value(); }

  PretrainSettings pretrain_;
  std::unique_ptr<BatchLoader> loader_;
};

TEST_F(CaptionPracticeTest, DrawsCaptionsOfTheBatchsPhotos) {
  BitmarModel model(pretrain_.model, 0.1);
  const Batch batch = loader_->stream_batch(0, 0).value();
  const BatchTensors drawn = practice().tensors(batch, model, 5, torch::kCPU);
  ASSERT_TRUE(drawn.practice);
  EXPECT_EQ(drawn.input.tokens.size(0), 6 * 4);
  EXPECT_EQ(drawn.input.tokens.size(1), 1);
  EXPECT_LE(drawn.input.tokens.size(2), 10);
  EXPECT_TRUE(torch::equal(drawn.input.features, batch_tensors(batch, torch::kCPU).input.features));
  for (std::int64_t row = 0; row < 24; ++row) {
    EXPECT_EQ(drawn.input.image_of_row[row].item<std::int64_t>(), row / 4);
    EXPECT_EQ(drawn.input.tokens[row][0][0].item<std::int64_t>(), tokenizer_.end_of_text());
  }
  EXPECT_EQ(drawn.practice->weights.numel(), drawn.targets.numel());
  // One weight for all targets of a caption, and a photo's captions balance.
  const auto lengths = drawn.input.mask.sum({1, 2});
  std::int64_t place = 0;
  for (std::int64_t photo = 0; photo < 6; ++photo) {
    double sum = 0;
    for (std::int64_t sample = 0; sample < 4; ++sample) {
      const std::int64_t count = lengths[photo * 4 + sample].item<std::int64_t>();
      const auto weights = drawn.practice->weights.narrow(0, place, count);
      EXPECT_TRUE(weights.eq(weights[0]).all().item<bool>());
      sum += weights[0].item<double>();
      place += count;
    }
    EXPECT_NEAR(sum, 0.0, 1e-5);
  }
  const BatchTensors again = practice().tensors(batch, model, 5, torch::kCPU);
  EXPECT_TRUE(torch::equal(again.targets, drawn.targets));
}

// Random bytes say letters now and then. With letters for references, the weights are what the drawn captions of each
// photo are worth against that photo's references, computed here from the drawn tokens.
TEST_F(CaptionPracticeTest, WeightsAreTheAdvantagesAgainstThePhotosOwnCaptions) {
  std::string lines;
  std::vector<std::vector<std::string>> references(12);
  for (int photo = 0; photo < 12; ++photo) {
    std::string letters;
    for (int i = 0; i < 13; ++i) letters += fmt::format("{} ", static_cast<char>('a' + (photo * 2 + i) % 26));
    lines += fmt::format("{}.jpg\t0\t{}\n", photo, letters);
    references[static_cast<std::size_t>(photo)] = {normalise_caption(letters, {})};
  }
  write("letters.tsv", lines);
  const SourceSettings letters{.name = "letters", .kind = SourceKind::kCaptions, .path = "letters.tsv"};
  settings_.sources.push_back(letters);
  ASSERT_TRUE(prepare(letters));
  settings_.train[0].sources = {"letters"};
  settings_.train[0].length = 40;
  settings_.train[0].samples = 8;
  loader_ = BatchLoader::open(settings_, settings_.train, false).value();
  BitmarModel model(pretrain_.model, 0.1);
  const CaptionReward judge = CaptionReward::make(references).value();
  const Batch batch = loader_->stream_batch(0, 1).value();  // photos 6 to 11
  const BatchTensors drawn = practice().tensors(batch, model, 9, torch::kCPU);
  std::vector<double> rewards;
  std::vector<std::int64_t> counts;
  std::int64_t place = 0;
  for (std::int64_t row = 0; row < 6 * 8; ++row) {
    counts.push_back(drawn.input.mask[row].sum().item<std::int64_t>());
    std::vector<TokenId> ids;
    for (std::int64_t i = 0; i < counts.back(); ++i) {
      ids.push_back(static_cast<TokenId>(drawn.targets[place++].item<std::int64_t>()));
    }
    const bool ended = ids.back() == tokenizer_.end_of_text();
    if (ended) ids.pop_back();
    const std::string& name = loader_->image_name(0, batch.images[static_cast<std::size_t>(row / 8)]);
    const auto photo = static_cast<std::size_t>(std::stoi(name));
    EXPECT_EQ(photo, static_cast<std::size_t>(6 + row / 8));
    rewards.push_back(judge.score(photo, tokenizer_.decode(ids), ended));
  }
  EXPECT_GT(std::ranges::count_if(rewards, [](double reward) { return reward > 0; }), 10);
  const std::vector<double> advantages = leave_one_out_advantages(rewards, 8);
  place = 0;
  for (std::size_t row = 0; row < counts.size(); ++row) {
    EXPECT_NEAR(drawn.practice->weights[place].item<double>(), advantages[row], 1e-6) << row;
    place += counts[row];
  }
  EXPECT_NEAR(drawn.practice->reward, std::accumulate(rewards.begin(), rewards.end(), 0.0) / 48, 1e-12);
}

TEST_F(CaptionPracticeTest, OtherStreamsAreLearnedAsTheyAre) {
  BitmarModel model(pretrain_.model, 0.1);
  const Batch batch = loader_->stream_batch(1, 0).value();
  const BatchTensors given = practice().tensors(batch, model, 5, torch::kCPU);
  EXPECT_FALSE(given.practice);
  EXPECT_TRUE(torch::equal(given.input.tokens, batch_tensors(batch, torch::kCPU).input.tokens));
}

TEST_F(CaptionPracticeTest, ReferencesAreAllCaptionsOfAPhoto) {
  const auto references = reference_captions(*loader_, 0, 7, tokenizer_);
  EXPECT_EQ(references, (std::vector<std::string>{"image 7 caption 0.", "image 7 caption 1.", "image 7 caption 2."}));
}

// Steps on the same draws make those with a positive advantage likelier, and nothing else is learned from them.
TEST_F(CaptionPracticeTest, AStepRaisesWhatWasWorthMore) {
  pretrain_.train.vision_dropout = 0;
  pretrain_.objective.memory = 0;
  Learner learner(pretrain_, torch::kCPU, {});
  BatchTensors drawn = practice().tensors(loader_->stream_batch(0, 0).value(), learner.model(), 5, torch::kCPU);
  // Random bytes are worth nothing, so the advantages are made up: the first caption of each photo is the best.
  const auto rows = torch::repeat_interleave(torch::arange(24, torch::kLong), drawn.input.mask.sum({1, 2}));
  drawn.practice->weights = torch::where(rows.remainder(4).eq(0), 3.0f, -1.0f);
  const auto log_probabilities = [&] {
    const torch::NoGradGuard no_grad;
    learner.model()->eval();
    const auto hidden = learner.model()->forward(drawn.input, {}).hidden;
    const auto logits = learner.model()->output()->forward(hidden.reshape({-1, hidden.size(-1)}));
    const auto losses = torch::cross_entropy_loss(logits.index_select(0, drawn.places), drawn.targets, {},
                                                  at::Reduction::None);
    const auto best = rows.remainder(4).eq(0);
    return std::pair((-losses).masked_select(best).mean().item<double>(),
                     (-losses).masked_select(~best).mean().item<double>());
  };
  const auto before = log_probabilities();
  for (int step = 0; step < 8; ++step) {
    learner.accumulate(drawn, 1.0);
    const StepOutcome outcome = learner.apply(2e-3);
    EXPECT_FALSE(outcome.language);
    EXPECT_FALSE(outcome.cosine);
    EXPECT_EQ(outcome.reward, drawn.practice->reward);
  }
  const auto after = log_probabilities();
  EXPECT_GT(after.first - before.first, 0.1);
  EXPECT_GT((after.first - after.second) - (before.first - before.second), 0.2);
}

TEST_F(CaptionPracticeTest, RefusesStreamsThatCannotPractise) {
  const auto error_of = [&](const StreamSettings& stream, bool validation = false) {
    DataSettings settings = settings_;
    (validation ? settings.validation : settings.train) = {stream};
    const auto checked = settings.validate();
    return checked ? std::string() : checked.error().message;
  };
  StreamSettings stream = settings_.train[0];
  EXPECT_EQ(error_of(stream), "");
  EXPECT_THAT(error_of(stream, true), HasSubstr("data.validation 'practice'.samples"));
  stream.samples = 1;
  EXPECT_THAT(error_of(stream), HasSubstr("expected 0 or 2 to"));
  stream.samples = 4;
  stream.features = {};
  EXPECT_THAT(error_of(stream), HasSubstr("without features"));
}

}  // namespace
}  // namespace bitmar
