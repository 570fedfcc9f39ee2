// Results of evaluation tasks, as a table to read and as JSON.
#pragma once

#include <nlohmann/json.hpp>
#include <span>
#include <string>

#include "eval/tasks/task.h"

namespace bitmar::cli {

// One row a score; a task's parts follow it where `parts` says so.
[[nodiscard]] std::string task_table(std::span<const TaskResult> results, bool parts);
[[nodiscard]] nlohmann::ordered_json to_json(const TaskResult& result);

}  // namespace bitmar::cli
