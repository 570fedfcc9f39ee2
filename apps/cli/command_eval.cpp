// bitmar eval: how good a model is, with chance beside every score.
#include <fmt/format.h>

#include <memory>
#include <string>
#include <vector>

#include "commands.h"
#include "eval/registry/registry.h"
#include "eval/tasks/task_files.h"
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

void check_task(const CLI::App& eval) {
  const std::vector<std::string> words = eval.remaining();
  const bool chosen = !eval.get_subcommands().empty();
  if (words.empty() && chosen) return;
  const auto refuse = [](const std::string& message) { throw CLI::ParseError(message, CLI::ExitCodes::ExtrasError); };
  if (words.empty()) refuse("eval: expected a task, or all");
  if (chosen || words.front().starts_with('-')) refuse(fmt::format("eval: expected a task, found '{}'", words.front()));
  refuse(fmt::format("eval: no task '{}'", words.front()));
}

}  // namespace

void add_eval_command(CLI::App& app, CommandAction& action) {
  CLI::App* command = app.add_subcommand("eval", "Measure a model");
  add_task_command(*command, "all", "every task whose files are there", tasks(), action);
  for (const Task& task : tasks()) {
    const std::string description = fmt::format("{} ({})", task.description, describe_task_files(task.files));
    if (task.name == kCaptions) {
      add_eval_captions_command(*command, description, action);
    } else {
      add_task_command(*command, std::string(task.name), description, std::span(&task, 1), action);
    }
  }
  // What CLI11 says of a missing subcommand names neither the wrong name nor where the right ones are. Last: the tasks'
  // commands would take over that any words are allowed.
  command->require_subcommand(0, 1);
  command->allow_extras();
  command->callback([command] { check_task(*command); });
}

}  // namespace bitmar::cli
