// The evaluation tasks, in the order in which `bitmar eval all` runs them.
#pragma once

#include <span>
#include <string_view>

#include "base/result.h"
#include "eval/tasks/task.h"

namespace bitmar {

[[nodiscard]] std::span<const Task> tasks();
// kNotFound lists the names that there are.
[[nodiscard]] Result<Task> find_task(std::string_view name);

// Whether the task can be run: an error says what is missing, its files or the model's vision tower.
[[nodiscard]] Result<void> check_runnable(const Task& task, const TaskContext& context);

}  // namespace bitmar
