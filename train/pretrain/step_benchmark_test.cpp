#include "pretrain/step_benchmark.h"

#include <gmock/gmock.h>

#include <filesystem>

#include "nn/testing.h"

namespace bitmar {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;

constexpr SyntheticShape kShape{.rows = 3, .segments = 2, .length = 7, .patches = 4};

PretrainSettings small_settings() {
  at::set_num_threads(1);
  PretrainSettings settings;
  settings.model = testing_nn::small_config();
  settings.train.run = "unused";
  settings.train.vision_dropout = 0;
  settings.schedule.warmup_steps = 0;
  settings.text = "[train]\nrun = \"unused\"\n";
  return settings;
}

TEST(SyntheticBatch, IsFullAndOfTheModel) {
  const ModelConfig config = testing_nn::small_config();
  const Batch batch = synthetic_batch(kShape, config, 5);
  EXPECT_EQ(batch.target_tokens(), 3u * 2u * 7u);
  EXPECT_EQ(batch.tokens.size(), 3u * 2u * 8u);
  EXPECT_THAT(batch.tokens, Each(::testing::AllOf(::testing::Ge(0), ::testing::Lt(config.vocabulary))));
  EXPECT_EQ(batch.features.size(), std::size_t{3} * 4 * config.vision_width);
  EXPECT_THAT(batch.images, ::testing::ElementsAre(0, 1, 2));
  EXPECT_EQ(synthetic_batch(kShape, config, 5).tokens, batch.tokens);

  SyntheticShape text = kShape;
  text.patches = 0;
  EXPECT_TRUE(synthetic_batch(text, config, 5).features.empty());
}

TEST(StepBenchmark, LearnsTheBatchAndSharesOutTheTime) {
  for (const std::uint64_t sampled_core : {std::uint64_t{0}, std::uint64_t{16}}) {
    PretrainSettings settings = small_settings();
    settings.train.accumulation = 2;
    settings.objective.sampled_core = sampled_core;
    const auto benchmark = StepBenchmark::open(settings, kShape);
    ASSERT_TRUE(benchmark) << benchmark.error().message;
    double first = 0;
    double last = 0;
    for (int step = 0; step < 30; ++step) {
      const auto times = (*benchmark)->step();
      ASSERT_TRUE(times) << times.error().message;
      EXPECT_EQ(times->outcome.tokens, 2 * 3 * 2 * 7);
      const PhaseSeconds& phases = times->outcome.seconds;
      for (const double phase : {times->data, phases.forward, phases.loss, phases.backward, phases.optimizer}) {
        EXPECT_GT(phase, 0);
      }
      EXPECT_GE(times->processor_seconds, 0);
      EXPECT_LE(times->data + phases.forward + phases.loss + phases.backward + phases.optimizer, times->seconds);
      (step == 0 ? first : last) = times->outcome.total;
    }
    EXPECT_LT(last, first - 0.5);
  }
}

TEST(StepBenchmark, RecordsWhatTheNextStepComputes) {
  const auto benchmark = StepBenchmark::open(small_settings(), kShape).value();
  ASSERT_TRUE(benchmark->step());
  const std::string path = (std::filesystem::path(::testing::TempDir()) / "step_benchmark.safetensors").string();
  ASSERT_TRUE(benchmark->record(path));
  const auto times = benchmark->step();
  ASSERT_TRUE(times);

  const Checkpoint file = load_checkpoint(path).value();
  std::filesystem::remove(path);
  EXPECT_EQ(file.text("config").value(), small_settings().text);
  BitmarModel model(testing_nn::small_config(), 0.0);
  ASSERT_TRUE(load_module(*model, file, "model."));
  ModelInput input;
  input.tokens = file.tensor("batch.tokens").value();
  input.mask = file.tensor("batch.mask").value().to(torch::kBool);
  input.features = file.tensor("batch.features").value();
  input.image_of_row = torch::arange(input.features.size(0), torch::kLong);
  const torch::NoGradGuard no_gradient;
  const ModelOutput output = model->forward(input, {});
  const auto hidden = output.hidden.reshape({-1, output.hidden.size(-1)});
  const auto logits =
      model->output()->forward(hidden.index_select(0, file.tensor("batch.places").value()));
  const auto loss = torch::cross_entropy_loss(logits, file.tensor("batch.targets").value());
  EXPECT_NEAR(loss.item<double>(), times->outcome.language.value(), 1e-5);
  EXPECT_NEAR(output.memory.consistency.item<double>(), times->outcome.consistency, 1e-5);
}

TEST(StepBenchmark, SaysWhatIsWrong) {
  SyntheticShape empty = kShape;
  empty.rows = 0;
  const auto no_rows = StepBenchmark::open(small_settings(), empty);
  ASSERT_FALSE(no_rows);
  EXPECT_THAT(no_rows.error().message, HasSubstr("0 rows"));

  PretrainSettings elsewhere = small_settings();
  elsewhere.train.device = "moon";
  const auto no_device = StepBenchmark::open(elsewhere, kShape);
  ASSERT_FALSE(no_device);
  EXPECT_THAT(no_device.error().message, HasSubstr("train.device"));

  PretrainSettings missing = small_settings();
  missing.data.shards = "nowhere";
  missing.data.train = {StreamSettings{.name = "words", .sources = {"words"}}};
  EXPECT_FALSE(StepBenchmark::open(missing, std::nullopt));
}

}  // namespace
}  // namespace bitmar
