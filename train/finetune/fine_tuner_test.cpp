#include "finetune/fine_tuner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/random.h"
#include "finetune/classification_scores.h"
#include "finetune/finetune_run.h"
#include "nn/testing.h"
#include "pretrain/learner.h"

namespace bitmar {
namespace {

namespace fs = std::filesystem;

constexpr ClassificationTask kTask = {
    .name = "rte", .first = "{sentence1}", .second = "{sentence2}", .classes = 2, .batch = 8, .epochs = 3};

// Rows of random letters; exactly those of label 1 hold the letter 'x' somewhere.
std::vector<std::pair<std::string, std::uint32_t>> texts(std::size_t count, std::uint64_t seed) {
  Random random(seed);
  std::vector<std::pair<std::string, std::uint32_t>> result;
  for (std::size_t i = 0; i < count; ++i) {
    std::string text(4 + random.below(12), ' ');
    for (char& letter : text) letter = static_cast<char>('a' + random.below(20));
    const auto label = static_cast<std::uint32_t>(random.below(2));
    if (label == 1) text[random.below(text.size())] = 'x';
    result.emplace_back(text, label);
  }
  return result;
}

std::vector<ClassificationExample> examples(std::size_t count, std::uint64_t seed) {
  std::vector<ClassificationExample> result;
  for (const auto& [text, label] : texts(count, seed)) {
    result.push_back({.tokens = {}, .label = label});
    for (const char letter : text) result.back().tokens.push_back(static_cast<TokenId>(letter - 'a'));
  }
  return result;
}

double accuracy_of(FineTuner& tuner, const std::vector<ClassificationExample>& items) {
  const auto predicted = tuner.predict(items);
  double right = 0;
  for (std::size_t i = 0; i < items.size(); ++i) right += predicted[i] == items[i].label ? 1.0 : 0.0;
  return right / static_cast<double>(items.size());
}

FineTuneSettings quick() {
  return {.epochs = 20, .learning_rate = 5e-3};
}

TEST(FineTuner, LearnsWhatCanBeLearnedAndNothingElse) {
  torch::set_num_threads(1);
  std::vector<ClassificationExample> training = examples(320, 1);
  const std::vector<ClassificationExample> unseen = examples(400, 2);
  FineTuner tuner(testing_nn::small_config(), kTask, quick(), training);
  while (!tuner.finished()) tuner.step();
  EXPECT_GT(accuracy_of(tuner, unseen), 0.95);

  Random random(3);
  for (ClassificationExample& example : training) example.label = static_cast<std::uint32_t>(random.below(2));
  FineTuner fooled(testing_nn::small_config(), kTask, quick(), training);
  while (!fooled.finished()) fooled.step();
  EXPECT_NEAR(accuracy_of(fooled, unseen), 0.5, 0.1);  // four deviations of 400 guesses
}

TEST(FineTuner, AnEpochIsItsFullBatches) {
  // 19 items in batches of 8: two full batches an epoch.
  FineTuner tuner(testing_nn::small_config(), kTask, {}, examples(19, 1));
  EXPECT_EQ(tuner.steps_per_epoch(), 2u);
  EXPECT_EQ(tuner.total_steps(), 6u);
  // Fewer items than a batch are one batch.
  FineTuner few(testing_nn::small_config(), kTask, {.epochs = 2}, examples(5, 1));
  EXPECT_EQ(few.batch(), 5u);
  EXPECT_EQ(few.total_steps(), 2u);
  std::uint64_t tokens = 0;
  for (const auto& example : examples(5, 1)) tokens += example.tokens.size();
  EXPECT_EQ(few.step().tokens, tokens);
  EXPECT_EQ(few.step().tokens, tokens);
}

struct Classifier : testing::Test {
  static torch::Tensor logits(TextClassifier& classifier) {
    const auto tokens = torch::tensor({{3, 1, 4, 1, 5}}, torch::kLong);
    return classifier->forward(tokens, torch::ones({1, 5}, torch::kBool));
  }
  static TextClassifier make(bool memory) {
    ModelConfig config = testing_nn::small_config();
    config.memory = memory;
    TextClassifier classifier(config, 3, 0.1);
    classifier->eval();
    return classifier;
  }
  torch::NoGradGuard no_gradient;
};

TEST_F(Classifier, PaddingAndNeighboursChangeNothing) {
  TextClassifier classifier = make(true);
  const auto tokens = torch::tensor({{3, 1, 4, 1, 5, 9, 9}, {2, 7, 1, 8, 2, 8, 1}}, torch::kLong);
  auto mask = torch::ones({2, 7}, torch::kBool);
  mask[0].slice(0, 5).fill_(false);
  const auto together = classifier->forward(tokens, mask);
  EXPECT_EQ(together.size(1), 3);
  EXPECT_TRUE(torch::allclose(together[0], logits(classifier)[0], 1e-4, 1e-5)) << together << logits(classifier);
}

TEST_F(Classifier, HeadSeesTheMemoryOnlyWhereThereIsOne) {
  TextClassifier with = make(true);
  const auto before = logits(with);
  with->model()->memory()->slots().neg_();
  EXPECT_GT((logits(with) - before).abs().max().item<double>(), 1e-3);
  TextClassifier without = make(false);
  EXPECT_FALSE(without->model()->memory());
  EXPECT_EQ(without->head()->named_parameters()["hidden.weight"].size(1), testing_nn::small_config().width);
}

// A pre-trained model of bytes and one merge, and the files of a task, in a folder of its own.
struct FineTuneRuns : testing::Test {
  FineTuneRuns() {
    torch::set_num_threads(1);
    fs::remove_all(root);
    fs::create_directories(root / "data/babylm/glue_filtered");
    std::ofstream(root / "merges.txt") << "#version: 0.2\na b\n";
    write_items("train", 90, 1);
    write_items("valid", 50, 2);
    ModelConfig config = testing_nn::small_config();
    config.vocabulary = 258;
    torch::manual_seed(5);
    BitmarModel model(config, 0.0);
    Checkpoint checkpoint{.step = 12, .tensors = {}, .texts = {}};
    save_module(*model, checkpoint, "model.");
    checkpoint.texts["config"] =
        "[model]\nvocabulary = 258\nwidth = 16\nheads = 2\nffn_hidden = 32\nencoder_layers = 2\ndecoder_layers = 2\n"
        "training_length = 8\nvision_width = 12\ncompression_hidden = 20\nmemory_slots = 10\nmemory_write_slots = 3\n"
        "[train]\nsteps = 12\n";
    EXPECT_TRUE(save_checkpoint((root / "base.safetensors").string(), checkpoint));
  }
  void write_items(const std::string& part, std::size_t count, std::uint64_t seed) const {
    std::ofstream file(root / fmt::format("data/babylm/glue_filtered/rte.{}.jsonl", part));
    for (const auto& [text, label] : texts(count, seed)) {
      file << fmt::format("{{\"sentence1\": \"{}\", \"sentence2\": \"b\", \"label\": {}}}\n", text, label);
    }
  }
  FineTuneOptions options(const std::string& output) const {
    FineTuneOptions options;
    options.checkpoint = (root / "base.safetensors").string();
    options.data = (root / "data").string();
    options.merges = (root / "merges.txt").string();
    options.output = (root / output).string();
    options.settings = {.learning_rate = 2e-3};
    options.threads = 1;
    return options;
  }
  std::string contents(const std::string& path) const {
    std::ifstream file(root / path);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  // The file's JSON without what differs from run to run.
  std::vector<nlohmann::json> lines(const std::string& path) const {
    std::vector<nlohmann::json> all;
    std::ifstream file(root / path);
    for (std::string line; std::getline(file, line);) {
      all.push_back(nlohmann::json::parse(line));
      all.back().erase("time");
    }
    return all;
  }

  std::vector<ClassificationTask> tasks = {kTask};
  fs::path root = fs::path(testing::TempDir()) / "finetune_runs";
};

TEST_F(FineTuneRuns, ResumedEqualsUninterruptedBitForBit) {
  const auto straight = finetune(tasks, options("straight"));
  ASSERT_TRUE(straight) << straight.error().message;
  ASSERT_EQ((*straight)[0].epochs, 3u);  // of 11 steps
  ASSERT_EQ(lines("straight/rte/log/log.jsonl").size(), 6u);

  // Killed in the second epoch, between its checkpoints and at one, and just before the result was written.
  for (const auto& [name, minutes, stop] : {std::tuple{"epochs", 5.0, 17u}, {"steps", 0.0, 17u}, {"end", 5.0, 33u}}) {
    FineTuneOptions killed = options(name);
    killed.checkpoint_minutes = minutes;
    killed.stop_after = stop;
    ASSERT_FALSE(finetune(tasks, killed));
    EXPECT_FALSE(fs::exists(root / name / "rte/result.json"));
    killed.stop_after.reset();
    const auto resumed = finetune(tasks, killed);
    ASSERT_TRUE(resumed) << resumed.error().message;
    EXPECT_EQ(lines(fmt::format("{}/rte/log/log.jsonl", name)), lines("straight/rte/log/log.jsonl")) << name;
    EXPECT_EQ(contents(fmt::format("{}/rte/predictions.jsonl", name)), contents("straight/rte/predictions.jsonl"));
    EXPECT_EQ((*resumed)[0].best_epoch, (*straight)[0].best_epoch);
    for (std::size_t i = 0; i < 3; ++i) {
      EXPECT_EQ((*resumed)[0].scores[i].value, (*straight)[0].scores[i].value);
      EXPECT_EQ((*resumed)[0].scores[i].interval.low, (*straight)[0].scores[i].interval.low);
      EXPECT_EQ((*resumed)[0].last_scores[i].value, (*straight)[0].last_scores[i].value);
    }
    EXPECT_FALSE(fs::exists(root / name / "rte/checkpoints"));
  }
}

TEST_F(FineTuneRuns, FinishedTaskIsKeptAndOtherSettingsAreRefused) {
  FineTuneOptions quick = options("out");
  quick.settings.epochs = 1;
  ASSERT_TRUE(finetune(tasks, quick));
  const std::string result = contents("out/rte/result.json");
  const auto again = finetune(tasks, quick);
  ASSERT_TRUE(again);
  EXPECT_EQ(contents("out/rte/result.json"), result);

  const auto page = nlohmann::json::parse(contents("out/results.json"));
  EXPECT_EQ(page["model"]["step"], 12);
  EXPECT_EQ(page["model"]["memory"], true);
  EXPECT_EQ(page["model"]["settings"], "the BabyLM pipeline's settings but for epochs 1, learning rate 0.002");
  EXPECT_FALSE(page["model"]["weights"].get<std::string>().empty());
  EXPECT_EQ(page["tasks"][0], nlohmann::json::parse(result));
  EXPECT_EQ(page["tasks"][0]["task"], "finetune-rte");
  EXPECT_EQ(page["tasks"][0]["total"]["items"], 50);
  EXPECT_EQ(page["tasks"][0]["parts"][0]["name"], "last epoch");

  // The score is that of the predictions.
  double right = 0;
  for (const auto& line : lines("out/rte/predictions.jsonl")) right += line["gold"] == line["pred"] ? 1 : 0;
  EXPECT_DOUBLE_EQ(page["tasks"][0]["total"]["scores"][0]["value"], right / 50);

  for (const auto change : {+[](FineTuneSettings& s) { s.seed = 7; }, +[](FineTuneSettings& s) { s.memory = false; },
                            +[](FineTuneSettings& s) { s.limit = 20; }}) {
    FineTuneOptions other = quick;
    change(other.settings);
    const auto refused = finetune(tasks, other);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument);
    EXPECT_THAT(refused.error().message, testing::HasSubstr("out/rte/result.json: of other settings"));
  }
  write_items("train", 91, 1);
  EXPECT_FALSE(finetune(tasks, quick));
}

TEST_F(FineTuneRuns, MemoryOffIsAnotherModelOfTheSameWeights) {
  FineTuneOptions off = options("off");
  off.settings.memory = false;
  const auto without = finetune(tasks, off);
  ASSERT_TRUE(without) << without.error().message;
  ASSERT_TRUE(finetune(tasks, options("on")));
  EXPECT_NE(lines("off/rte/log/log.jsonl"), lines("on/rte/log/log.jsonl"));
}

TEST_F(FineTuneRuns, DataMayLieWhereEvaluationLooks) {
  fs::create_directories(root / "data/eval");
  fs::rename(root / "data/babylm", root / "data/eval/babylm");
  const auto done = finetune(tasks, options("deeper"));
  EXPECT_TRUE(done) << done.error().message;
}

TEST_F(FineTuneRuns, ErrorsNameTheFileAndLeaveNothing) {
  FineTuneOptions wrong = options("none");
  wrong.checkpoint = (root / "absent").string();
  const auto no_checkpoint = finetune(tasks, wrong);
  ASSERT_FALSE(no_checkpoint);
  EXPECT_THAT(no_checkpoint.error().message, testing::HasSubstr("absent"));
  std::ofstream(root / "merges.txt") << "#version: 0.2\na b\nb c\n";
  EXPECT_THAT(finetune(tasks, options("none")).error().message, testing::HasSubstr("makes 259 tokens"));
  std::ofstream(root / "data/babylm/glue_filtered/rte.valid.jsonl") << "{\"sentence1\": \"a\"}\n";
  EXPECT_THAT(finetune(tasks, options("none")).error().message,
              testing::HasSubstr("rte.valid.jsonl:1: key 'sentence2' is missing"));
  EXPECT_FALSE(fs::exists(root / "none"));
}

}  // namespace
}  // namespace bitmar
