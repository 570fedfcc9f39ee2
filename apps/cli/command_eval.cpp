// bitmar eval: how good a model is, with chance beside every score.
#include <fmt/format.h>

#include <memory>
#include <string>

#include "commands.h"
#include "eval/registry/registry.h"
#include "eval_commands.h"
#include "eval_tasks.h"

namespace bitmar::cli {
namespace {

// Has a command of its own, which takes any photos.
constexpr std::string_view kCaptions = "captions";

void add_task_command(CLI::App& eval, const std::string& name, const std::string& description,
                      std::span<const Task> chosen, CommandAction& action) {
  auto options = std::make_shared<TaskOptions>();
  TaskContext& context = options->context;
  CLI::App* command = eval.add_subcommand(name, description);
  add_model_options(*command, options->model);
  add_no_memory_option(*command, options->model);
  command->add_option("--data", context.data, "the folder with the tasks' files");
  command->add_option("--predictions", context.predictions,
                      "keep a line for each item in this folder, and go on where an interrupted run stopped");
  add_task_options(*command, context);
  command->add_flag("--parts", options->parts, "show the scores of the tasks' parts too");
  command->add_flag("--json", options->json, "print the scores as JSON");
  command->callback(
      [options, chosen, &action] { action = [options, chosen] { return evaluate_tasks(*options, chosen); }; });
}

}  // namespace

void add_eval_command(CLI::App& app, CommandAction& action) {
  CLI::App* command = app.add_subcommand("eval", "Measure a model");
  command->require_subcommand(1);
  add_task_command(*command, "all", "every task whose files are there", tasks(), action);
  for (const Task& task : tasks()) {
    if (task.name == kCaptions) {
      add_eval_captions_command(*command, action);
      continue;
    }
    add_task_command(*command, std::string(task.name), fmt::format("{} ({})", task.description, task.files),
                     std::span(&task, 1), action);
  }
}

}  // namespace bitmar::cli
