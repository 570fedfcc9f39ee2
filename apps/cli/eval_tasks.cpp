#include "eval_tasks.h"

#include <fmt/format.h>

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "eval/registry/registry.h"
#include "eval/tasks/task_files.h"
#include "eval/tasks/task_json.h"
#include "task_report.h"
#include "task_run.h"

namespace bitmar::cli {
namespace {

void print(const TaskOptions& options, std::span<const TaskResult> results, std::span<const SkippedTask> skipped) {
  if (!options.json) {
    fmt::print("{}", task_table(results, options.parts));
    for (const SkippedTask& one : skipped) fmt::print("{}: not run, {}\n", one.task.name, one.reason);
    return;
  }
  nlohmann::ordered_json json;
  json["model"] = options.context.engine->name();
  json["model_sha256"] = options.context.engine->content_hash();
  json["memory"] = options.context.memory;
  json["seed"] = options.context.seed;
  json["limit"] = options.context.limit;
  json["tasks"] = nlohmann::ordered_json::array();
  for (const TaskResult& result : results) json["tasks"].push_back(to_json(result));
  json["missing"] = nlohmann::ordered_json::array();
  for (const SkippedTask& one : skipped) json["missing"].push_back(one.task.name);
  fmt::print("{}\n", json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
}

}  // namespace

std::vector<Task> runnable_tasks(std::span<const Task> chosen, const TaskContext& context,
                                 std::vector<SkippedTask>& skipped) {
  std::vector<Task> runnable;
  for (const Task& task : chosen) {
    if (const auto status = check_runnable(task, context); status) {
      runnable.push_back(task);
    } else {
      skipped.push_back({task, status.error().message});
    }
  }
  return runnable;
}

Result<void> evaluate_tasks(TaskOptions options, std::span<const Task> chosen) {
  TaskContext& context = options.context;
  if (context.data.empty() && context.text.empty()) {
    return fail(ErrorCode::kInvalidArgument, "eval: expected --data DIR, or --text FILE for perplexity");
  }
  BITMAR_TRY(context.engine, open_engine(options.model));
  context.threads = options.model.threads;
  context.memory = !options.model.no_memory;
  context.tower = options.model.tower;
  std::vector<SkippedTask> skipped;
  const std::vector<Task> runnable = runnable_tasks(chosen, context, skipped);
  if (runnable.empty()) {
    if (chosen.size() == 1) return fail(ErrorCode::kNotFound, "eval: {}", skipped.front().reason);
    std::string wanted;
    for (const Task& task : chosen) {
      wanted += fmt::format("{}{}", wanted.empty() ? "" : ", ", describe_task_files(task.files));
    }
    return fail(ErrorCode::kNotFound, "eval: {} has no files of any task; expected {}", context.data, wanted);
  }
  std::vector<TaskResult> results;
  for (const Task& task : runnable) {
    BITMAR_TRY(TaskResult result, run_task(task, context));
    results.push_back(std::move(result));
  }
  print(options, results, skipped);
  return {};
}

void add_task_options(CLI::App& command, TaskContext& context) {
  command.add_option("--limit", context.limit, "only so many items of each part")->check(CLI::PositiveNumber);
  command.add_option("--text", context.text,
                     "measure perplexity on this file, all of it, instead of the held-out text of --data");
  command.add_option("--seed", context.seed, "of intervals and shuffles")->capture_default_str();
  command
      .add_option("--start-token", context.start,
                  "where <|endoftext|> stands: before empty contexts only, as in lm-evaluation-harness, or always")
      ->transform(CLI::CheckedTransformer(std::map<std::string, StartToken>{
          {"empty-context", StartToken::kEmptyContext}, {"always", StartToken::kAlways}}))
      ->default_str("empty-context");
}

}  // namespace bitmar::cli
