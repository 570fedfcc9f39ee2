// The tasks on images, text and reading times on small made-up files: models that know nothing, controls, metrics by
// hand, broken files.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "eval/registry/image_tasks_test_support.h"
#include "eval/tasks/csv_table.h"
#include "eval/vision/babylm_images.h"
#include "eval/vision/easy_vqa.h"

namespace bitmar {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::OutputHead;
using testing::random_engine;
using testing::random_features;
using testing::small_config;
using testing::small_tower;

using testing_tasks::ImageTasks;

TEST_F(ImageTasks, ModelThatKnowsNothingScoresChance) {
  write_easy_vqa();
  write_babylm();
  const auto uniform = random_engine(small_config(), 3, OutputHead::kZero);
  for (const char* name : {"easy_vqa", "winoground", "vqa", "devbench_vocabulary", "devbench_grammar"}) {
    const auto result = find_task(name)->run(context(uniform));
    ASSERT_TRUE(result) << result.error().message;
    const Score& per_token = score(*result, "accuracy_per_token");
    EXPECT_NEAR(per_token.value, *per_token.chance, 1e-12) << name;
    EXPECT_LE(per_token.interval->low, *per_token.chance + 1e-12) << name;
    EXPECT_GE(per_token.interval->high, *per_token.chance - 1e-12) << name;
    EXPECT_NEAR(*per_token.no_image, *per_token.chance, 1e-12) << name;
    EXPECT_NEAR(*per_token.shuffled_images, *per_token.chance, 1e-12) << name;
  }
  EXPECT_EQ(*find_task("devbench_grammar")->run(context(engine_))->total.scores.front().no_image, 0.25);
}

TEST_F(ImageTasks, ControlsAreOtherRunsOfTheSameItems) {
  write_easy_vqa();
  TaskContext kept = context(engine_);
  kept.predictions = (folder_ / "kept").string();
  kept.threads = 2;
  const auto result = find_task("easy_vqa")->run(kept);
  ASSERT_TRUE(result) << result.error().message;
  const std::string own = testing_tasks::read_text(folder_ / "kept/easy_vqa.jsonl");
  const std::string blind = testing_tasks::read_text(folder_ / "kept/easy_vqa-no-image.jsonl");
  const std::string shuffled = testing_tasks::read_text(folder_ / "kept/easy_vqa-shuffled-images.jsonl");
  EXPECT_EQ(std::ranges::count(own, '\n'), 40);
  EXPECT_NE(own, blind);
  EXPECT_NE(own, shuffled);
  EXPECT_NE(blind, shuffled);
  // What was kept is not scored again, and gives the same scores.
  std::vector<std::uint64_t> steps;
  kept.progress = [&](std::uint64_t done, std::uint64_t total) {
    steps.push_back(done);
    EXPECT_EQ(total, 120u);
  };
  const auto again = find_task("easy_vqa")->run(kept);
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_THAT(steps, ElementsAre(40u, 80u, 120u));
  EXPECT_EQ(again->total.scores.front().value, result->total.scores.front().value);
  EXPECT_EQ(*again->total.scores.front().no_image, *result->total.scores.front().no_image);
}

TEST_F(ImageTasks, EasyVqaAsksAboutHeldOutPicturesOnly) {
  write_easy_vqa();
  const auto set = read_easy_vqa((folder_ / "easy_vqa/questions.json").string());
  ASSERT_TRUE(set) << set.error().message;
  ASSERT_EQ(set->items.size(), 40u);
  EXPECT_THAT(set->items[5].images, ElementsAre("10.png"));
  EXPECT_EQ(set->items[5].choices[0].context, "Question: what 0 is it, 10? Answer:");
  std::vector<std::string> answers;
  for (const Choice& choice : set->items[5].choices) answers.push_back(choice.continuation);
  EXPECT_THAT(answers, ElementsAre(" circle", " no", " red", " teal", " yes"));
  EXPECT_EQ(set->items[5].gold, 1u);  // answers[(10 / 10 + 0) % 5], "no"
  EXPECT_THAT(set->groups, ElementsAre("yes or no", "shape", "color"));
}

TEST_F(ImageTasks, MajorityIsThatOfTheKindOfQuestion) {
  write("easy_vqa/questions.json",
        R"([["a", "yes", 0], ["b", "yes", 0], ["c", "no", 0], ["d", "red", 10], ["e", "blue", 10], ["f", "red", 10]])");
  write_features("easy_vqa", {"0.png", "10.png"});
  const auto result = find_task("easy_vqa")->run(context(engine_));
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_DOUBLE_EQ(*result->total.scores.front().majority, 4.0 / 6.0);
  EXPECT_DOUBLE_EQ(*result->parts[0].scores.front().majority, 2.0 / 3.0);
  EXPECT_DOUBLE_EQ(*result->total.scores.front().chance, 0.25);
}

TEST_F(ImageTasks, EachImageOfATrialIsShown) {
  write_babylm();
  const auto set = read_devbench((folder_ / "babylm/devbench/assets/gram-trog").string());
  ASSERT_TRUE(set) << set.error().message;
  EXPECT_THAT(set->items[1].images, ElementsAre("a1.png", "b1.png", "c1.png", "d1.png"));
  EXPECT_EQ(set->items[1].choices[2].continuation, "The caption for this image is: thing 1, red.");
  TaskContext kept = context(engine_);
  kept.predictions = (folder_ / "kept").string();
  ASSERT_TRUE(find_task("devbench_grammar")->run(kept));
  const std::string lines = testing_tasks::read_text(folder_ / "kept/devbench_grammar.jsonl");
  const auto values = nlohmann::json::parse(lines.substr(0, lines.find('\n')))["log_likelihoods"];
  for (std::size_t i = 1; i < 4; ++i) EXPECT_NE(values[0], values[i]);
}

TEST_F(ImageTasks, PixelsNeedATowerAndAreFound) {
  write_flickr(1);
  fs::remove(folder_ / "flickr8k/features.npy");
  const auto why = [&](const TaskContext& run) { return check_runnable(*find_task("captions"), run).error().message; };
  EXPECT_THAT(why(context(engine_)), HasSubstr("flickr8k: has no images, neither a folder 'images' nor features.npy"));
  fs::create_directories(folder_ / "flickr8k/images");
  EXPECT_THAT(why(context(engine_)), HasSubstr("has no vision tower"));
  ModelConfig config = small_config();
  config.vision_width = 12;
  config.tower = small_tower(12);
  const TaskContext seeing = context(random_engine(config, 4));
  EXPECT_TRUE(check_runnable(*find_task("captions"), seeing));
  EXPECT_THAT(find_task("captions")->run(seeing).error().message, HasSubstr("images/0.jpg: no such image"));
  fs::copy_file(BITMAR_SOURCE_DIR "/examples/astronaut.jpg", folder_ / "flickr8k/images/0.jpg");
  EXPECT_TRUE(find_task("captions")->run(seeing));
  EXPECT_TRUE(find_task("retrieval")->run(seeing));
}

TEST_F(ImageTasks, BrokenFilesNameThemselves) {
  write_flickr(2);
  write("flickr8k/dev.txt", "0.jpg\n7.jpg\n");
  EXPECT_THAT(find_task("retrieval")->run(context(engine_)).error().message,
              HasSubstr("captions.tsv: photo '7.jpg' has no reference captions"));
  write("flickr8k/captions.tsv", "0.jpg\t0\tA\n7.jpg\t0\tB\n");
  EXPECT_THAT(find_task("retrieval")->run(context(engine_)).error().message,
              HasSubstr("features.npy: has no row for image '7.jpg'"));
  fs::remove(folder_ / "flickr8k/captions.tsv");
  EXPECT_THAT(find_task("captions")->run(context(engine_)).error().message, HasSubstr("captions.tsv"));
  EXPECT_THAT(error_of("easy_vqa", "easy_vqa/questions.json", R"([["q", "a", 0], ["q", 3, 0]])"),
              HasSubstr("questions.json: entry 1: expected [question, answer, picture's number]"));
  EXPECT_THAT(error_of("easy_vqa", "easy_vqa/questions.json", R"([["q", "a", 3]])"), HasSubstr("held-out picture"));
  EXPECT_THAT(error_of("vqa", "vqa_filtered/a.jsonl", R"({"question": "q", "target_ans": "a", "distractors": []})"),
              HasSubstr("a.jsonl:1: field 'distractors'"));
  EXPECT_THAT(error_of("devbench_grammar", "devbench/assets/gram-trog/manifest.csv", "image1,text1\na,b\n"),
              HasSubstr("manifest.csv: expected columns image1, image2"));
}

TEST_F(ImageTasks, DataMayLieInAFolderEval) {
  write("eval/piqa/validation.jsonl", R"({"goal": "g", "sol1": "a", "sol2": "b", "label": 0})");
  EXPECT_TRUE(find_task("piqa")->run(context(engine_)));
}

TEST_F(ImageTasks, PerplexityIsOfTheHeldOutText) {
  std::string text;
  for (int i = 0; i < 40; ++i) text += fmt::format("line {} of text\n", i);
  write("text/a.train", text);
  write("text/b.train", text + "more\n");
  const auto uniform = random_engine(small_config(), 3, OutputHead::kZero);
  for (const char* name : {"perplexity", "streaming_perplexity"}) {
    const auto result = find_task(name)->run(context(uniform));
    ASSERT_TRUE(result) << result.error().message;
    EXPECT_NEAR(score(*result, "perplexity").value, 260.0, 1e-6);
    EXPECT_NEAR(score(*result, "perplexity").value, *score(*result, "perplexity").chance, 1e-6);
    EXPECT_NEAR(score(*result, "perplexity_per_byte").value, *score(*result, "perplexity_per_byte").chance, 1e-6);
    ASSERT_EQ(result->parts.size(), 2u);
    EXPECT_EQ(result->parts[1].name, "b");
    EXPECT_EQ(result->values.items(), result->total.items);
  }
  const auto streamed = find_task("streaming_perplexity")->run(context(engine_));
  EXPECT_EQ(score(*streamed, "session_growth_bytes").value, 0.0);
  EXPECT_NEAR(score(*streamed, "ratio_to_window").value,
              score(*streamed, "perplexity").value / score(*streamed, "perplexity_in_window").value, 1e-12);
  EXPECT_EQ(score(*streamed, "perplexity_in_window").value,
            score(*find_task("perplexity")->run(context(engine_)), "perplexity").value);
  TaskContext file = context(engine_);
  file.data.clear();
  file.text = (folder_ / "text/b.train").string();
  EXPECT_EQ(find_task("perplexity")->run(file)->parts.size(), 1u);
  write("text/a.train", "a\n");
  EXPECT_THAT(find_task("perplexity")->run(context(engine_)).error().message, HasSubstr("a has 1 tokens; expected at"));
}

TEST_F(ImageTasks, ReadingGainOfAModelThatKnowsNothingIsChance) {
  constexpr int kTables = 20;
  double sum = 0;
  int held = 0;
  for (int table = 0; table < kTables; ++table) {
    write("babylm/reading/reading_data.csv", testing_tasks::made_up_reading_times(static_cast<std::uint64_t>(table)));
    const auto result = find_task("reading")->run(context(engine_));
    ASSERT_TRUE(result) << result.error().message;
    EXPECT_EQ(result->total.items, 300u);
    EXPECT_EQ(result->parts.size(), 4u);
    const Score& eyes = score(*result, "eye_tracking_gain");
    EXPECT_NEAR(*eyes.chance, 100.0 / (300 - 7), 1e-12);
    EXPECT_NEAR(*score(*result, "self_paced_gain").chance, 100.0 / (240 - 16), 1e-12);
    EXPECT_NEAR(score_of(result->values), eyes.value, 1e-9);
    EXPECT_GE(eyes.value, 0.0);
    EXPECT_LT(eyes.value, 3.0);  // of noise: three times the deviation of a share of one in 293 is 1.4
    sum += eyes.value - *eyes.chance;
    // A share is never negative, so that resamples of a small one all lie above it.
    held += *eyes.chance <= eyes.interval->high;
  }
  EXPECT_NEAR(sum / kTables, 0.0, 0.33);  // three standard errors of 20 such shares
  EXPECT_GE(held, kTables - 2);
}

TEST_F(ImageTasks, TablesAreReadAsTheirFormatSays) {
  const auto table = CsvTable::read(write("a.csv", "a,b\r\n\"x, \"\"y\"\"\",1.5\r\n\n\"two\nlines\",\n").string());
  ASSERT_TRUE(table) << table.error().message;
  ASSERT_EQ(table->rows(), 2u);
  EXPECT_EQ(table->text(0, 0), "x, \"y\"");
  EXPECT_EQ(table->text(1, 0), "two\nlines");
  EXPECT_EQ(**table->number(0, 1), 1.5);
  EXPECT_FALSE(table->number(1, 1)->has_value());
  EXPECT_THAT(table->number(1, 0).error().message, HasSubstr("a.csv:4: column 'a' must be a number or empty"));
  EXPECT_THAT(table->column("c").error().message, HasSubstr("has no column 'c'"));
  EXPECT_THAT(CsvTable::read(write("b.csv", "a,b\n1\n").string()).error().message, HasSubstr("b.csv:2: has 1 fields"));
  EXPECT_THAT(CsvTable::read(write("c.csv", "a\n\"1\n").string()).error().message, HasSubstr("a quote does not end"));
  EXPECT_THAT(CsvTable::read(write("d.csv", "a\n").string()).error().message, HasSubstr("no rows"));
}

}  // namespace
}  // namespace bitmar
