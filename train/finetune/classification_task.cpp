#include "finetune/classification_task.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <system_error>

namespace bitmar {
namespace {

constexpr std::array<ClassificationTask, 7> kTasks = {{
    {.name = "boolq", .first = "{question}", .second = "{passage}", .batch = 16},
    {.name = "mnli", .first = "{premise}", .second = "{hypothesis}", .classes = 3},
    {.name = "mrpc", .first = "{sentence1}", .second = "{sentence2}", .metric = ClassificationMetric::kF1},
    {.name = "multirc", .first = "Question: {question} Answer: {answer}", .second = "{paragraph}", .batch = 16},
    {.name = "qqp", .first = "{question1}", .second = "{question2}", .metric = ClassificationMetric::kF1},
    {.name = "rte", .first = "{sentence1}", .second = "{sentence2}"},
    {.name = "wsc",
     .first = "Does \"{span2_text}\" refer to \"{span1_text}\" in this passage?",
     .second = "{text}",
     .epochs = 30},
}};

}  // namespace

std::span<const ClassificationTask> classification_tasks() {
  return kTasks;
}

Result<ClassificationTask> find_classification_task(std::string_view name) {
  const auto found = std::ranges::find(kTasks, name, &ClassificationTask::name);
  if (found != kTasks.end()) return *found;
  std::string names;
  for (const ClassificationTask& task : kTasks) names += fmt::format(" {}", task.name);
  return fail(ErrorCode::kNotFound, "no task '{}'; expected all or one of{}", name, names);
}

std::string classification_file(std::string_view data, const ClassificationTask& task, std::string_view part) {
  const auto below = [&](std::string_view folder) {
    return fmt::format("{}{}/babylm/glue_filtered/{}.{}.jsonl", data, folder, task.name, part);
  };
  std::error_code ignored;
  const std::string direct = below("");
  const std::string deeper = below("/eval");
  return !std::filesystem::exists(direct, ignored) && std::filesystem::exists(deeper, ignored) ? deeper : direct;
}

}  // namespace bitmar
