#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "eval/results/evaluation_run.h"
#include "eval/results/published_scores.h"

namespace bitmar {
namespace {

TaskResult task_of(const std::string& name, double value) {
  TaskResult task;
  task.task = name;
  task.total.items = 100;
  Score& score = task.total.scores.emplace_back();
  score.metric = "accuracy";
  score.value = value;
  score.chance = 0.25;
  return task;
}

TEST(ResultPage, SetsTheRunBesidePublishedModels) {
  EvaluationRun run;
  run.tasks = {task_of("perplexity", 17.0), task_of("boolq", 0.6123), task_of("arc_easy", 0.2541)};
  const std::string page = result_page(run);
  EXPECT_THAT(page, ::testing::HasSubstr("| | arc_easy | boolq |\n"));
  EXPECT_THAT(page, ::testing::HasSubstr("| **this model** | 25.41 | 61.23 |\n"));
  EXPECT_THAT(page, ::testing::HasSubstr("| chance | 25.00 | 25.00 |\n"));
  EXPECT_THAT(page, ::testing::HasSubstr("| BitNet b1.58 2B | 74.79 | 80.18 |\n"));
  EXPECT_THAT(page, ::testing::Not(::testing::HasSubstr("by its paper")));  // none of its scores is of these tasks
  run.tasks.push_back(task_of("blimp", 0.583));
  EXPECT_THAT(result_page(run), ::testing::HasSubstr("| BitMar 14M, by its paper | | | 48.70 |\n"));
}

TEST(ResultPage, SaysNothingOfOthersWhereNoTaskIsTheirs) {
  EvaluationRun run;
  run.tasks = {task_of("captions", 0.4)};
  EXPECT_THAT(result_page(run), ::testing::Not(::testing::HasSubstr("published")));
}

TEST(ResultPage, SaysWhereTheImageIsNotUsed) {
  EvaluationRun run;
  run.tasks = {task_of("easy_vqa", 0.8)};
  EXPECT_THAT(result_page(run), ::testing::Not(::testing::HasSubstr("image, in all its parts")));  // no such task
  Score& score = run.tasks[0].total.scores[0];
  score.interval = Interval{0.78, 0.82};
  score.shuffled_images = 0.66;
  EXPECT_THAT(result_page(run), ::testing::HasSubstr("scores lower with another item's image."));
  ScoreGroup& part = run.tasks[0].parts.emplace_back(run.tasks[0].total);
  part.name = "yes or no";
  part.scores[0].shuffled_images = 0.79;
  EXPECT_THAT(result_page(run), ::testing::HasSubstr("as far as these items can tell, in: easy_vqa: yes or no. "));
}

// What is printed is the difference of the scores, and its interval that of the same statistic.
TEST(ResultPage, PairedDifferencesAreThoseOfTheScores) {
  TaskResult on = task_of("entity_tracking", 0.75);
  on.values = {.values = {1, 0, 1, 1, 1, 1, 1, 1, 1, 1}, .strata = {0, 0, 1, 1, 1, 1, 1, 1, 1, 1}};
  TaskResult off = task_of("entity_tracking", 0.375);
  off.values = {.values = {0, 0, 1, 1, 1, 1, 1, 1, 0, 0}, .strata = on.values.strata};
  EvaluationRun run;
  run.tasks = {on, task_of("boolq", 0.5)};
  run.ablation = {off, task_of("boolq", 0.25)};
  run.effects = memory_effects(run.tasks, run.ablation, 1);
  ASSERT_EQ(run.effects.size(), 2u);
  EXPECT_DOUBLE_EQ(run.effects[0].paired->difference, 0.375);
  EXPECT_FALSE(run.effects[1].paired);
  const std::string page = result_page(run);
  EXPECT_THAT(page, ::testing::HasSubstr("| entity_tracking | accuracy | 0.7500 | 0.3750 | 0.3750 | "));
  EXPECT_THAT(page, ::testing::HasSubstr("| boolq | accuracy | 0.5000 | 0.2500 | 0.2500 |  |  |\n"));
}

TEST(ResultPage, TellsWhatWasNotMeasuredFromWhatCannotBe) {
  EvaluationRun run;
  run.speed = {{"decode", "tokens/s", 15000.0, {}}, {"energy", "mJ a token", {}, {}}};
  const std::string page = result_page(run);
  EXPECT_THAT(page, ::testing::HasSubstr("| decode | tokens/s | 15000 |  |\n"));
  EXPECT_THAT(page, ::testing::HasSubstr("| energy | mJ a token | not measurable here |  |\n"));
}

// The report's averages, over these tasks and the four others of its table.
TEST(PublishedScores, AddUpToTheReportedAverages) {
  constexpr double kAverages[] = {41.06, 32.22, 50.76, 49.75, 60.68};
  // ARC-Challenge, OpenBookQA, TruthfulQA, TriviaQA
  constexpr double kOthers[][4] = {{33.19, 33.60, 40.65, 10.84},
                                   {26.54, 28.20, 49.05, 0.00},
                                   {37.80, 38.20, 43.29, 0.00},
                                   {43.69, 37.20, 39.13, 19.82},
                                   {49.91, 41.60, 45.31, 33.57}};
  for (std::size_t model = 0; model < std::size(kAverages); ++model) {
    double sum = 0;
    for (std::size_t task = 0; task + 1 < kPublishedTasks.size(); ++task) {
      sum += *published_models()[model].scores[task];
    }
    for (const double score : kOthers[model]) sum += score;
    EXPECT_NEAR(sum / 11.0, kAverages[model], 0.011) << published_models()[model].name;
  }
}

}  // namespace
}  // namespace bitmar
