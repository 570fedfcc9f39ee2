#include "eval/tasks/task_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "io/test_support.h"

namespace bitmar {
namespace {

using Json = nlohmann::ordered_json;
using ::testing::HasSubstr;

TaskResult example() {
  TaskResult result;
  result.task = "winoground";
  result.seconds = 12.625;
  result.total.items = 800;
  result.total.ties = 3;
  result.total.scores = {{.metric = "text score",
                          .value = 1.0 / 3.0,
                          .interval = Interval{0.3, 0.36},
                          .chance = 0.25,
                          .uniform = 0.26,
                          .majority = 0.1,
                          .no_image = 0.0,
                          .shuffled_images = 0.24},
                         {.metric = "perplexity",
                          .value = 18.5,
                          .interval = {},
                          .chance = {},
                          .uniform = {},
                          .majority = {},
                          .no_image = {},
                          .shuffled_images = {}}};
  result.parts = {{.name = "Swapped \"Object\"", .items = 1, .ties = 0, .scores = {result.total.scores[0]}},
                  {.name = "empty", .items = 0, .ties = 0, .scores = {}}};
  return result;
}

void expect_same(const Score& a, const Score& b) {
  EXPECT_EQ(a.metric, b.metric);
  EXPECT_EQ(a.value, b.value);
  ASSERT_EQ(a.interval.has_value(), b.interval.has_value());
  if (a.interval) {
    EXPECT_EQ(a.interval->low, b.interval->low);
    EXPECT_EQ(a.interval->high, b.interval->high);
  }
  EXPECT_EQ(a.chance, b.chance);
  EXPECT_EQ(a.uniform, b.uniform);
  EXPECT_EQ(a.majority, b.majority);
  EXPECT_EQ(a.no_image, b.no_image);
  EXPECT_EQ(a.shuffled_images, b.shuffled_images);
}

void expect_same(const ScoreGroup& a, const ScoreGroup& b) {
  EXPECT_EQ(a.name, b.name);
  EXPECT_EQ(a.items, b.items);
  EXPECT_EQ(a.ties, b.ties);
  ASSERT_EQ(a.scores.size(), b.scores.size());
  for (std::size_t i = 0; i < a.scores.size(); ++i) expect_same(a.scores[i], b.scores[i]);
}

TEST(TaskJson, ReadsBackWhatItWroteThroughText) {
  const TaskResult written = example();
  const auto read = task_result_from_json(Json::parse(to_json(written).dump()));
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->task, written.task);
  EXPECT_EQ(read->seconds, written.seconds);
  expect_same(read->total, written.total);
  ASSERT_EQ(read->parts.size(), written.parts.size());
  for (std::size_t i = 0; i < written.parts.size(); ++i) expect_same(read->parts[i], written.parts[i]);
}

TEST(TaskJson, WhatDoesNotApplyIsLeftOutAndZeroIsNot) {
  const Json scores = to_json(example())["total"]["scores"];
  EXPECT_EQ(scores[0]["no_image"], 0.0);
  EXPECT_EQ(scores[1].dump(), R"({"metric":"perplexity","value":18.5})");
}

TEST(TaskJson, ANumberThatIsNotFiniteIsNullAndReadAsNaN) {
  TaskResult result = example();
  result.total.scores[0].value = std::numeric_limits<double>::infinity();
  const Json json = Json::parse(to_json(result).dump());
  EXPECT_TRUE(json["total"]["scores"][0]["value"].is_null());
  const auto read = task_result_from_json(json);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_TRUE(std::isnan(read->total.scores[0].value));
}

TEST(TaskJson, ErrorsNameTheKeyAndWhatWasExpected) {
  struct Case {
    const char* pointer;
    Json value;  // null: the key is removed
    const char* message;
  };
  const Case cases[] = {
      {"/task", 5, "task: expected a text"},
      {"/seconds", Json(), "seconds: expected a number"},
      {"/total", Json::array(), "total: expected an object"},
      {"/total/items", -1, "total.items: expected a count"},
      {"/total/ties", 0.5, "total.ties: expected a count"},
      {"/total/scores", Json(), "total.scores: expected a list"},
      {"/total/scores/1/metric", Json(), "total.scores[1].metric: expected a text"},
      {"/total/scores/0/value", "high", "total.scores[0].value: expected a number"},
      {"/total/scores/0/interval", {1}, "total.scores[0].interval: expected two numbers"},
      {"/total/scores/0/interval/1", true, "total.scores[0].interval[1]: expected a number"},
      {"/total/scores/0/chance", "half", "total.scores[0].chance: expected a number"},
      {"/parts", 1, "parts: expected a list"},
      {"/parts/0/name", 1, "parts[0].name: expected a text"},
      {"/parts/1", "x", "parts[1]: expected an object"},
  };
  for (const Case& broken : cases) {
    const Json::json_pointer pointer(broken.pointer);
    Json json = to_json(example());
    if (broken.value.is_null()) {
      json[pointer.parent_pointer()].erase(pointer.back());
    } else {
      json[pointer] = broken.value;
    }
    const auto read = task_result_from_json(json);
    ASSERT_FALSE(read) << broken.pointer;
    EXPECT_EQ(read.error().code, ErrorCode::kInvalidFile);
    EXPECT_EQ(read.error().message, broken.message);
  }
  EXPECT_EQ(task_result_from_json(Json::array()).error().message, "the result: expected an object");
}

TEST(TaskJson, AResultsFileIsReadInOrderAndNamedInErrors) {
  const testing::TemporaryFolder folder;
  const std::string path = folder.file("results.json");
  EXPECT_EQ(read_task_results(path).error().code, ErrorCode::kNotFound);
  const auto write = [&](std::string_view text) { testing::write_file(path, text); };
  TaskResult second = example();
  second.task = "blimp";
  write(Json{{"model", {{"name", "tiny"}}}, {"tasks", {to_json(example()), to_json(second)}}}.dump());
  const auto results = read_task_results(path);
  ASSERT_TRUE(results) << results.error().message;
  EXPECT_EQ(results->model["name"], "tiny");
  ASSERT_EQ(results->tasks.size(), 2u);
  EXPECT_EQ(results->tasks[1].task, "blimp");

  write("{\"tasks\": [");
  EXPECT_EQ(read_task_results(path).error().message, path + ": not JSON");
  write("{\"tasks\": [3]}");
  EXPECT_EQ(read_task_results(path).error().message, path + ": tasks[0]: expected an object");
  write("[]");
  EXPECT_THAT(read_task_results(path).error().message, HasSubstr("expected an object"));
}

}  // namespace
}  // namespace bitmar
