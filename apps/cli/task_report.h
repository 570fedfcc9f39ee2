// Results of evaluation tasks as a table to read.
#pragma once

#include <span>
#include <string>

#include "eval/tasks/task.h"

namespace bitmar::cli {

// One row a score; a task's parts follow it where `parts` says so.
[[nodiscard]] std::string task_table(std::span<const TaskResult> results, bool parts);

}  // namespace bitmar::cli
