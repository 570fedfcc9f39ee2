#include "pretrain/batch_tensors.h"

#include <gmock/gmock.h>

#include <vector>

#include "data/testing.h"
#include "nn/testing.h"
#include "objective/contrastive_loss.h"
#include "pretrain/learner.h"

namespace bitmar {
namespace {

class BatchTensorsTest : public testing_data::DataTest {
 protected:
  void SetUp() override {
    DataTest::SetUp();
    at::set_num_threads(1);
    torch::manual_seed(3);
    add_captions("captions", 12, 3);
    StreamSettings photos{.name = "photos", .sources = {"captions"}};
    photos.features = {add_features("features.npy", 12, 4, 0.25f)};
    photos.rows = 4;
    photos.segments = 2;  // three captions of a photo: a row of two and a row of one
    StreamSettings questions = photos;
    questions.name = "questions";
    questions.contrast = 0;
    StreamSettings half = photos;
    half.name = "half";
    half.contrast = 0.5;
    settings_.train = {photos, questions, half};
    pretrain_.model = testing_nn::small_config();
    pretrain_.model.vocabulary = static_cast<std::uint32_t>(tokenizer_.vocabulary_size());
    pretrain_.model.vision_width = 2;
    pretrain_.data = settings_;
    loader_ = BatchLoader::open(settings_, settings_.train, false).value();
  }

  PretrainSettings pretrain_;
  std::unique_ptr<BatchLoader> loader_;
};

TEST_F(BatchTensorsTest, EveryCaptionOfARowIsAPairWithItsPhoto) {
  BitmarModel model(pretrain_.model, 0.0);
  model->eval();
  std::size_t missing = 0;
  for (std::uint64_t index = 0; index < loader_->stream_batches(0); ++index) {
    const Batch batch = loader_->stream_batch(0, index).value();
    const BatchTensors tensors = batch_tensors(batch, torch::kCPU);
    const ModelOutput output = model->forward(tensors.input, {});
    const CaptionPairs pairs = caption_pairs(output, tensors);
    std::int64_t pair = 0;
    for (std::int64_t row = 0; row < batch.rows; ++row) {
      for (std::int64_t segment = 0; segment < 2; ++segment) {
        const std::int64_t inputs = batch.lengths[static_cast<std::size_t>(2 * row + segment)] - 1;
        if (inputs <= 0) {
          ++missing;
          continue;
        }
        ASSERT_LT(pair, pairs.texts.size(0));
        EXPECT_TRUE(torch::allclose(pairs.texts[pair], output.states[row][segment].narrow(0, 0, inputs).mean(0)));
        EXPECT_TRUE(torch::allclose(pairs.images[pair], output.vision[row].mean(0)));
        EXPECT_EQ(pairs.identity[pair].item<std::int64_t>(), batch.images[static_cast<std::size_t>(row)]);
        ++pair;
      }
    }
    EXPECT_EQ(pair, pairs.texts.size(0));
  }
  EXPECT_GT(missing, 0u);
}

TEST_F(BatchTensorsTest, AStreamSaysWhatItsContrastCounts) {
  const Batch batch = loader_->stream_batch(0, 0).value();
  const auto outcome_in = [&](std::uint32_t stream) {
    torch::manual_seed(4);
    Learner learner(pretrain_, torch::kCPU, {});
    BatchTensors tensors = batch_tensors(batch, torch::kCPU);
    tensors.stream = stream;
    learner.accumulate(tensors, 1.0);
    return learner.apply(1e-3);
  };
  const StepOutcome photos = outcome_in(0);
  const StepOutcome questions = outcome_in(1);
  const StepOutcome half = outcome_in(2);
  EXPECT_GT(photos.contrast, 0.0);
  EXPECT_TRUE(photos.cosine);
  EXPECT_EQ(questions.contrast, 0.0);
  EXPECT_FALSE(questions.cosine);
  EXPECT_EQ(half.contrast, photos.contrast);
  EXPECT_EQ(half.cosine, photos.cosine);
  const double share = pretrain_.objective.contrast * photos.contrast;
  EXPECT_NEAR(photos.total - questions.total, share, 1e-5 * photos.total);
  EXPECT_NEAR(half.total - questions.total, 0.5 * share, 1e-5 * photos.total);
}

}  // namespace
}  // namespace bitmar
