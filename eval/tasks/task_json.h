// Task results as JSON, the form in which they are stored and compared: results.json is {"model": …, "machine": …,
// "tasks": [one object a task]}.
//
//   {"task": "boolq", "seconds": 12.5, "total": {"items": 3270, "ties": 0, "scores": [{"metric": "accuracy",
//    "value": 0.61, "interval": [0.59, 0.63], "chance": 0.5, "majority": 0.62}]}, "parts": [{"name": …, …}]}
//
//   const nlohmann::ordered_json json = to_json(result);
//   BITMAR_TRY(const TaskResult same, task_result_from_json(json));
//   BITMAR_TRY(const StoredResults results, read_task_results("results.json"));
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/result.h"
#include "eval/tasks/task.h"

namespace bitmar {

// What does not apply is left out. Numbers keep all their bits, but for those that are not finite: they are null.
[[nodiscard]] nlohmann::ordered_json to_json(const TaskResult& result);

// Reads what to_json() wrote; keys that it does not know are passed over. kInvalidFile names the key by its path
// ("total.scores[0].value") and says what was expected. A null number is NaN.
[[nodiscard]] Result<TaskResult> task_result_from_json(const nlohmann::ordered_json& json);

// What a results.json holds.
struct StoredResults {
  nlohmann::ordered_json model;  // what the scores are of, as the writer put it; null: it does not say
  std::vector<TaskResult> tasks;
};

// Errors name the file.
[[nodiscard]] Result<StoredResults> read_task_results(const std::string& path);

}  // namespace bitmar
