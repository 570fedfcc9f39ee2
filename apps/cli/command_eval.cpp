// bitmar eval: how good a model is, with chance beside every score.
#include <fmt/format.h>

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "commands.h"
#include "eval/tasks/registry.h"
#include "eval/tasks/task_files.h"
#include "eval/tasks/task_json.h"
#include "eval_commands.h"
#include "model_options.h"
#include "task_report.h"
#include "task_run.h"

namespace bitmar::cli {
namespace {

constexpr std::string_view kAll = "all";

struct Options {
  ModelOptions model;
  TaskContext context;
  bool parts = false;
  bool json = false;
};

// `missing`: tasks whose files are not there.
void print(const Options& options, std::span<const TaskResult> results, std::span<const Task> missing) {
  if (!options.json) {
    fmt::print("{}", task_table(results, options.parts));
    for (const Task& task : missing)
      fmt::print("{}: not run, {} has no {}\n", task.name, options.context.data, task.files);
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
  for (const Task& task : missing) json["missing"].push_back(task.name);
  fmt::print("{}\n", json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
}

Result<void> evaluate(Options options, std::span<const Task> chosen) {
  TaskContext& context = options.context;
  std::vector<Task> present;
  std::vector<Task> missing;
  for (const Task& task : chosen) (has_task_files(context.data, task.files) ? present : missing).push_back(task);
  if (present.empty()) {
    std::string wanted;
    for (const Task& task : missing) wanted += fmt::format("{}{}", wanted.empty() ? "" : ", ", task.files);
    return fail(ErrorCode::kNotFound, "eval: {} has no files of {}; expected {}", context.data,
                chosen.size() == 1 ? chosen.front().name : "any task", wanted);
  }
  BITMAR_TRY(context.engine, open_engine(options.model));
  context.threads = options.model.threads;
  context.memory = !options.model.no_memory;
  std::vector<TaskResult> results;
  for (const Task& task : present) {
    BITMAR_TRY(TaskResult result, run_task(task, context));
    results.push_back(std::move(result));
  }
  print(options, results, missing);
  return {};
}

void add_task_command(CLI::App& eval, const std::string& name, const std::string& description,
                      std::span<const Task> chosen, CommandAction& action) {
  auto options = std::make_shared<Options>();
  TaskContext& context = options->context;
  CLI::App* command = eval.add_subcommand(name, description);
  add_model_options(*command, options->model);
  add_no_memory_option(*command, options->model);
  command->add_option("--data", context.data, "the folder with the tasks' files")->required();
  command->add_option("--predictions", context.predictions,
                      "keep a line for each item in this folder, and go on where an interrupted run stopped");
  command->add_option("--limit", context.limit, "only so many items of each part")->check(CLI::PositiveNumber);
  command->add_option("--seed", context.seed, "of intervals and shuffles")->capture_default_str();
  command
      ->add_option("--start-token", context.start,
                   "where <|endoftext|> stands: before empty contexts only, as in lm-evaluation-harness, or always")
      ->transform(CLI::CheckedTransformer(std::map<std::string, StartToken>{
          {"empty-context", StartToken::kEmptyContext}, {"always", StartToken::kAlways}}))
      ->default_str("empty-context");
  command->add_flag("--parts", options->parts, "show the scores of the tasks' parts too");
  command->add_flag("--json", options->json, "print the scores as JSON");
  command->callback([options, chosen, &action] { action = [options, chosen] { return evaluate(*options, chosen); }; });
}

}  // namespace

void add_eval_command(CLI::App& app, CommandAction& action) {
  CLI::App* command = app.add_subcommand("eval", "Measure a model");
  command->require_subcommand(1);
  add_task_command(*command, std::string(kAll), "every task whose files are there", tasks(), action);
  for (const Task& task : tasks()) {
    add_task_command(*command, std::string(task.name), fmt::format("{} ({})", task.description, task.files),
                     std::span(&task, 1), action);
  }
  add_eval_captions_command(*command, action);
}

}  // namespace bitmar::cli
