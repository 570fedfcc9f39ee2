#include "eval/tasks/registry.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>

namespace bitmar {
namespace {

constexpr std::array<Task, 0> kTasks = {};

}  // namespace

std::span<const Task> tasks() {
  return kTasks;
}

Result<Task> find_task(std::string_view name) {
  const auto found = std::ranges::find(tasks(), name, &Task::name);
  if (found != tasks().end()) return *found;
  std::string names;
  for (const Task& task : tasks()) names += fmt::format(" {}", task.name);
  return fail(ErrorCode::kNotFound, "no task '{}'; expected one of{}", name, names);
}

}  // namespace bitmar
