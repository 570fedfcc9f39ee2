// Running evaluation tasks from the command line: the options they share, and what is printed.
#pragma once

#include <CLI/CLI.hpp>
#include <span>

#include "base/result.h"
#include "eval/tasks/task.h"
#include "model_options.h"

namespace bitmar::cli {

struct TaskOptions {
  ModelOptions model;
  TaskContext context;
  bool parts = false;
  bool json = false;
};

// A task that was not run, and why.
struct SkippedTask {
  Task task;
  std::string reason;
};

// The tasks of `chosen` that can be run; the others go to `skipped`.
[[nodiscard]] std::vector<Task> runnable_tasks(std::span<const Task> chosen, const TaskContext& context,
                                               std::vector<SkippedTask>& skipped);

// Runs those of `chosen` that can be and prints their scores. kNotFound: none can; the message says why.
[[nodiscard]] Result<void> evaluate_tasks(TaskOptions options, std::span<const Task> chosen);

// Adds --limit, --text, --seed and --start-token.
void add_task_options(CLI::App& command, TaskContext& context);

}  // namespace bitmar::cli
