// Running one evaluation task with its progress on the terminal.
#pragma once

#include "eval/tasks/task.h"

namespace bitmar::cli {

// Errors name the task.
[[nodiscard]] Result<TaskResult> run_task(const Task& task, TaskContext context);

}  // namespace bitmar::cli
