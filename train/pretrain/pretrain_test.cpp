#include "pretrain/pretrain.h"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <fstream>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "data/testing.h"
#include "export/model_export.h"
#include "nn/testing.h"

namespace bitmar {
namespace {

using ::testing::HasSubstr;

class PretrainTest : public testing_data::DataTest {
 protected:
  void SetUp() override {
    DataTest::SetUp();
    at::set_num_threads(1);
    settings_.merges = write("merges.txt", "#version: 0.2\nb a\n");
    tokenizer_ = Tokenizer::from_merges_file(settings_.merges).value();
    add_captions("captions", 24, 3);
    add_text("words", std::string(4000, 'a') + " the quick brown fox jumps over the lazy dog\n", 200);
    const std::string features = add_features("features.npy", 24, 4, 0.25f);
    StreamSettings captions{.name = "captions", .sources = {"captions"}, .features = {features}};
    captions.rows = 6;
    StreamSettings words{.name = "words", .sources = {"words"}};
    words.rows = 4;
    words.length = 20;
    settings_.train = {captions, words};
    settings_.validation = settings_.train;
    settings_.prefetch = 2;
  }

  PretrainSettings pretrain_settings(const std::string& run) const {
    PretrainSettings settings;
    settings.model = testing_nn::small_config();
    settings.model.vocabulary = static_cast<std::uint32_t>(tokenizer_.vocabulary_size());
    settings.model.vision_width = 2;
    settings.data = settings_;
    settings.schedule.warmup_steps = 4;
    settings.controller.average_steps = 4;
    settings.controller.cooldown_steps = 3;
    settings.controller.duration_steps = 5;
    settings.controller.drop = 0.001;  // so that it intervenes
    settings.train.run = (folder_ / run).string();
    settings.train.steps = 24;
    settings.train.accumulation = 2;
    settings.train.vision_dropout = 0.2;
    settings.train.log_every = 1;
    settings.train.diagnostics_every = 8;
    settings.train.evaluate_every = 12;
    settings.train.evaluate_batches = 2;
    settings.train.caption_photos = 8;
    settings.train.checkpoint_every = 5;
    return settings;
  }

  // Photos that the model captions itself.
  StreamSettings practice_stream() const {
    StreamSettings practice = settings_.train[0];
    practice.name = "practice";
    practice.segments = 3;
    practice.length = 12;
    practice.samples = 3;
    return practice;
  }

  // Every logged line without what depends on the clock.
  std::vector<nlohmann::json> log_of(const std::string& run) const {
    std::ifstream file(folder_ / run / "log" / "log.jsonl");
    std::vector<nlohmann::json> lines;
    for (std::string line; std::getline(file, line);) {
      auto json = nlohmann::json::parse(line);
      json.erase("time");
      json.erase("train/tokens_per_second");
      lines.push_back(std::move(json));
    }
    return lines;
  }
};

TEST_F(PretrainTest, RefusesAnotherVocabularyThanTheModels) {
  auto settings = pretrain_settings("vocabulary");
  ++settings.model.vocabulary;
  const auto report = pretrain(settings, {});
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code, ErrorCode::kInvalidArgument);
  EXPECT_NE(report.error().message.find("model.vocabulary is 259"), std::string::npos) << report.error().message;
}

TEST_F(PretrainTest, AResumedRunRepeatsTheUninterruptedOne) {
  struct Variant {
    std::string suffix;
    std::uint64_t sampled_core;
    bool practice;
  };
  for (const auto& [suffix, sampled_core, practice] :
       {Variant{"full", 0, false}, Variant{"sampled", 16, false}, Variant{"practice", 0, true}}) {
    auto whole = pretrain_settings("whole" + suffix);
    auto cut = pretrain_settings("cut" + suffix);
    for (auto* settings : {&whole, &cut}) {
      settings->objective.sampled_core = sampled_core;
      settings->objective.sampled_negatives = 32;
      if (practice) settings->data.train.push_back(practice_stream());
    }
    const auto report = pretrain(whole, {});
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(report->steps, 24u);
    // Killed between checkpoints, three times.
    for (const std::uint64_t stop : {7, 13, 19}) {
      ASSERT_TRUE(pretrain(cut, {.resume = stop > 7, .progress = nullptr, .messages = {}, .stop_after = stop}));
    }
    const auto resumed = pretrain(cut, {.resume = true, .progress = nullptr, .messages = {}, .stop_after = {}});
    ASSERT_TRUE(resumed) << resumed.error().message;
    EXPECT_EQ(resumed->loss, report->loss);

    const auto expected = log_of("whole" + suffix);
    ASSERT_EQ(expected.size(), 24u);
    EXPECT_EQ(log_of("cut" + suffix), expected);
    const bool rewarded =
        std::ranges::any_of(expected, [](const auto& line) { return line.contains("stream/practice/reward"); });
    EXPECT_EQ(rewarded, practice);
    const auto final_whole = CheckpointStore(whole.train.run + "/checkpoints", 0).load_latest(false);
    const auto final_cut = CheckpointStore(cut.train.run + "/checkpoints", 0).load_latest(false);
    ASSERT_TRUE(final_whole && final_cut);
    ASSERT_EQ(final_whole->tensors.size(), final_cut->tensors.size());
    for (std::size_t i = 0; i < final_whole->tensors.size(); ++i) {
      EXPECT_EQ(final_whole->tensors[i].first, final_cut->tensors[i].first);
      EXPECT_TRUE(torch::equal(final_whole->tensors[i].second, final_cut->tensors[i].second))
          << final_whole->tensors[i].first;
    }
  }
}

TEST_F(PretrainTest, ALineAveragesTheStepsSinceTheLast) {
  const auto every = pretrain_settings("every");
  auto seldom = pretrain_settings("seldom");
  seldom.train.log_every = 6;
  ASSERT_TRUE(pretrain(every, {}));
  ASSERT_TRUE(pretrain(seldom, {.resume = false, .progress = nullptr, .messages = {}, .stop_after = 16}));  // mid-line
  ASSERT_TRUE(pretrain(seldom, {.resume = true, .progress = nullptr, .messages = {}, .stop_after = {}}));
  const auto lines = log_of("every");
  std::size_t compared = 0;
  for (const auto& line : log_of("seldom")) {
    const auto step = line.at("step").get<std::size_t>();
    if (step % seldom.train.log_every != 0) continue;  // the diagnostics'
    for (const char* key : {"loss/language", "loss/total", "loss/contrast", "train/gradient_norm"}) {
      double sum = 0, steps = 0;
      for (std::size_t i = step - seldom.train.log_every; i < step; ++i) {
        if (!lines[i].contains(key)) continue;
        sum += lines[i].at(key).get<double>();
        ++steps;
      }
      ASSERT_GT(steps, 0) << key;
      EXPECT_NEAR(line.at(key).get<double>(), sum / steps, 1e-9) << key << " at step " << step;
      ++compared;
    }
    EXPECT_EQ(line.at("train/tokens"), lines[step - 1].at("train/tokens"));
  }
  EXPECT_EQ(compared, 16u);
}

TEST_F(PretrainTest, LearnsAndLogsWhatItPromises) {
  auto settings = pretrain_settings("run");
  settings.train.steps = 60;
  std::vector<std::string> messages;
  PretrainOptions options;
  options.messages = [&](LogLevel, std::string_view message) { messages.emplace_back(message); };
  const auto report = pretrain(settings, options);
  ASSERT_TRUE(report) << report.error().message;
  const auto log = log_of("run");
  ASSERT_EQ(log.size(), 60u);
  const auto mean = [&](std::size_t first) {
    double sum = 0;
    for (std::size_t i = first; i < first + 10; ++i) sum += log[i].at("loss/language").get<double>();
    return sum / 10;
  };
  EXPECT_LT(mean(50), 0.8 * mean(0));
  for (const char* key : {"zeros/overall", "gradient_norm/encoder", "memory/utilisation", "memory/effective_slots",
                          "alignment/text_to_image_recall_at_1", "train/flops_per_step", "loss/memory"}) {
    EXPECT_TRUE(log[7].contains(key) || log[15].contains(key)) << key;
  }
  for (const char* key : {"memory/slot_usage", "memory/slot_activation"}) {
    ASSERT_EQ(log[7].at(key).size(), settings.model.memory_slots) << key;
  }
  double activation = 0;
  for (const double share : log[7].at("memory/slot_activation")) activation += share;
  EXPECT_NEAR(activation, 1.0, 1e-3);
  // A step's loss is the mean over its batches, here two: of one stream, or one of each.
  for (const auto& line : log) {
    std::vector<double> streams;
    for (const char* key : {"stream/captions/loss", "stream/words/loss"}) {
      if (line.contains(key)) streams.push_back(line.at(key));
    }
    ASSERT_FALSE(streams.empty());
    EXPECT_NEAR(line.at("loss/language").get<double>(), (streams.front() + streams.back()) / 2, 1e-9);
  }
  EXPECT_TRUE(log[11].contains("validation/captions/perplexity"));
  EXPECT_TRUE(log[11].contains("validation/captions/cosine"));
  EXPECT_TRUE(log[11].contains("validation/captions/cider"));
  EXPECT_FALSE(log[11].contains("validation/words/cider"));
  EXPECT_TRUE(log[11].contains("validation/words/perplexity"));
  EXPECT_FALSE(log[11].contains("validation/words/cosine"));
  EXPECT_THAT(messages, ::testing::Contains(HasSubstr("perplexity")));
}

TEST_F(PretrainTest, StartsFromAnotherRunsWeights) {
  auto first = pretrain_settings("first");
  first.train.steps = 5;
  ASSERT_TRUE(pretrain(first, {}));
  auto second = pretrain_settings("second");
  second.train.init_from = first.train.run;
  second.train.steps = 1;
  second.schedule.kind = ScheduleKind::kConstant;
  second.schedule.peak = 1e-12;  // as good as nothing
  second.schedule.warmup_steps = 0;
  ASSERT_TRUE(pretrain(second, {}));
  const auto a = CheckpointStore(first.train.run + "/checkpoints", 0).load_latest(false);
  const auto b = CheckpointStore(second.train.run + "/checkpoints", 0).load_latest(false);
  ASSERT_TRUE(a && b);
  EXPECT_TRUE(torch::allclose(*a->tensor("model.encoder.0.ffn.up.weight"), *b->tensor("model.encoder.0.ffn.up.weight"),
                              1e-6, 1e-9));
}

TEST_F(PretrainTest, StartsFromAModelFile) {
  auto settings = pretrain_settings("run");
  BitmarModel model(settings.model, 0.0);
  const std::string file = (folder_ / "model.gguf").string();
  ASSERT_TRUE(export_model(model, {.tower = {}, .merges = settings_.merges, .metadata = {}}, file));
  settings.train.init_from = file;
  settings.train.steps = 1;
  settings.schedule.kind = ScheduleKind::kConstant;
  settings.schedule.peak = 1e-12;  // as good as nothing
  settings.schedule.warmup_steps = 0;
  const auto trained = pretrain(settings, {});
  ASSERT_TRUE(trained) << trained.error().message;

  const auto checkpoint = CheckpointStore(settings.train.run + "/checkpoints", 0).load_latest(false);
  ASSERT_TRUE(checkpoint);
  for (const auto& [name, layer] : model->ternary_layers()) {
    const auto latent = checkpoint->tensor("model." + name + ".weight");
    ASSERT_TRUE(latent) << name;
    EXPECT_TRUE(torch::allclose(*latent, layer->effective_weight(), 1e-6, 1e-9)) << name;
  }

  settings = pretrain_settings("wider");
  settings.model.ffn_hidden = 64;
  settings.train.init_from = file;
  const auto other = pretrain(settings, {});
  ASSERT_FALSE(other);
  EXPECT_THAT(other.error().message, HasSubstr("ffn"));
}

TEST_F(PretrainTest, StartsFromAModelThatSawLessOfAPhoto) {
  auto settings = pretrain_settings("run");
  BitmarModel model(settings.model, 0.0);
  const std::string file = (folder_ / "model.gguf").string();
  ASSERT_TRUE(export_model(model, {.tower = {}, .merges = settings_.merges, .metadata = {}}, file));
  settings.model.vision_width = 5;
  settings.data.train = {settings_.train[1]};  // the features at hand are 2 wide
  settings.data.validation = settings.data.train;
  settings.train.init_from = file;
  settings.train.steps = 1;
  settings.schedule.peak = 1e-12;  // as good as nothing
  const auto trained = pretrain(settings, {});
  ASSERT_TRUE(trained) << trained.error().message;

  const auto checkpoint = CheckpointStore(settings.train.run + "/checkpoints", 0).load_latest(false);
  ASSERT_TRUE(checkpoint);
  const torch::Tensor wider = *checkpoint->tensor("model.vision.compression.0.weight");
  ASSERT_EQ(wider.size(1), 5);
  EXPECT_EQ(wider.slice(1, 2).abs().max().item<float>(), 0);
  std::size_t compressions = 0;
  for (const auto& [name, layer] : model->ternary_layers()) {
    if (name != "vision.compression.0") continue;
    ++compressions;
    EXPECT_TRUE(torch::allclose(wider.slice(1, 0, 2), layer->effective_weight(), 1e-6, 1e-9));
    EXPECT_GT(layer->effective_weight().abs().max().item<float>(), 0);
  }
  EXPECT_EQ(compressions, 1);

  settings.model.vision_width = 7;
  const auto resumed = pretrain(settings, {.resume = true, .progress = nullptr, .messages = {}, .stop_after = {}});
  ASSERT_FALSE(resumed);
  EXPECT_THAT(resumed.error().message, HasSubstr("vision.compression.0.weight"));

  settings.train.run += "-narrower";
  settings.model.vision_width = 1;
  const auto narrower = pretrain(settings, {});
  ASSERT_FALSE(narrower);
  EXPECT_THAT(narrower.error().message, HasSubstr("vision.compression.0.weight"));
}

TEST_F(PretrainTest, RefusesToOverwriteARunAndAModelOfAnotherShape) {
  auto settings = pretrain_settings("run");
  settings.train.steps = 1;
  ASSERT_TRUE(pretrain(settings, {}));
  const auto again = pretrain(settings, {});
  ASSERT_FALSE(again);
  EXPECT_THAT(again.error().message, HasSubstr("--resume"));

  settings.train.steps = 2;
  settings.model.ffn_hidden = 64;
  const auto other = pretrain(settings, {.resume = true, .progress = nullptr, .messages = {}, .stop_after = {}});
  ASSERT_FALSE(other);
  EXPECT_THAT(other.error().message, HasSubstr("ffn"));
}

}  // namespace
}  // namespace bitmar
