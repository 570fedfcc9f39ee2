#include "task_run.h"

#include <fmt/format.h>

#include <optional>

#include "progress.h"

namespace bitmar::cli {

Result<TaskResult> run_task(const Task& task, TaskContext context) {
  std::optional<Progress> progress;
  context.progress = [&](std::uint64_t done, std::uint64_t total) {
    if (!progress) progress.emplace(fmt::format("items of {}", task.name), total);
    progress->update(done);
  };
  auto result = task.run(context);
  if (!result) return fail(result.error().code, "eval {}: {}", task.name, result.error().message);
  if (progress) progress->finish();
  return result;
}

}  // namespace bitmar::cli
