#include <fmt/format.h>

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "finetune/finetune_run.h"

namespace bitmar {
namespace {

struct FineTuneFlags {
  std::vector<std::string> tasks = {"all"};
  bool no_memory = false;
  bool quiet = false;
  FineTuneOptions options;
};

std::vector<ClassificationTask> chosen_tasks(const std::vector<std::string>& names) {
  std::vector<ClassificationTask> tasks;
  for (const std::string& name : names) {
    if (name == "all") {
      tasks.insert(tasks.end(), classification_tasks().begin(), classification_tasks().end());
    } else {
      tasks.push_back(value_or_throw(find_classification_task(name)));
    }
  }
  return tasks;
}

void print_table(const std::vector<FineTuneResult>& results) {
  fmt::print("{:<17} {:<9} {:>7} {:>15} {:>7} {:>9} {:>11} {:>6} {:>8}\n", "task", "metric", "score", "95 %", "chance",
             "constant", "last epoch", "items", "minutes");
  for (const FineTuneResult& result : results) {
    for (std::size_t i = 0; i < result.scores.size(); ++i) {
      const ClassificationScore& score = result.scores[i];
      fmt::print("{:<17} {:<9} {:>7.4f}  {:>6.4f}-{:>6.4f}  {:>7.4f} {:>9.4f} {:>11.4f}", i == 0 ? result.task : "",
                 score.metric, score.value, score.interval.low, score.interval.high, score.chance, score.constant,
                 result.last_scores[i].value);
      if (i == 0) fmt::print(" {:>6} {:>8.1f}", result.items, result.seconds / 60.0);
      fmt::print("\n");
    }
  }
}

void run_finetune(const FineTuneFlags& flags) {
  FineTuneOptions options = flags.options;
  options.settings.memory = !flags.no_memory;
  options.progress = flags.quiet ? nullptr : stderr;
  options.messages = [](LogLevel, std::string_view message) {
    fmt::print(stderr, "{}\n", message);
    std::fflush(stderr);
  };
  print_table(value_or_throw(finetune(chosen_tasks(flags.tasks), options)));
}

}  // namespace

void register_finetune(CLI::App& app) {
  auto flags = std::make_shared<FineTuneFlags>();
  FineTuneOptions& options = flags->options;
  FineTuneSettings& settings = options.settings;
  options.merges = "models/gpt2-merges.txt";
  CLI::App* command = app.add_subcommand("finetune", "Fine-tune on BabyLM 2025's GLUE tasks and score the result");
  command->add_option("--task", flags->tasks, "boolq, mnli, mrpc, multirc, qqp, rte, wsc or all (repeatable)")
      ->allow_extra_args(false)
      ->capture_default_str();
  command->add_option("--checkpoint", options.checkpoint, "A run's folder (its newest checkpoint) or one checkpoint")
      ->required();
  command->add_option("--data", options.data, "The folder above babylm/glue_filtered, or above a folder eval that is")
      ->required();
  command->add_option("--merges", options.merges, "GPT-2's merges.txt")->capture_default_str();
  command->add_option("-o,--output", options.output, "The folder for results, predictions and logs")->required();
  command->add_option("--limit", settings.limit, "At most so many training items, and as many to score (0: all)")
      ->capture_default_str();
  command->add_option("--epochs", settings.epochs, "0: the task's (10; wsc 30)")->capture_default_str();
  command->add_option("--batch", settings.batch, "0: the task's (32; boolq and multirc 16)")->capture_default_str();
  command->add_option("--learning-rate", settings.learning_rate, "At the end of the warm-up")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_option("--max-tokens", settings.maximum_tokens, "Longer items are cut")
      ->check(CLI::Range(16, 4096))
      ->capture_default_str();
  command->add_option("-s,--seed", settings.seed, "Of the head, the order, the dropout and the bootstrap")
      ->capture_default_str();
  command->add_option("-t,--threads", options.threads, "0: torch's choice")->capture_default_str();
  command->add_flag("--no-memory", flags->no_memory, "Without the model's episodic memory");
  command->add_flag("-q,--quiet", flags->quiet, "No progress line");
  command->footer(
      "Epochs are chosen on the items that are scored, as the pipeline does; `last epoch` is the score without "
      "choice.\n"
      "`constant`: one answer for all items, the best such. A task that is done is not run again; an interrupted one\n"
      "goes on.\n"
      "Examples:\n"
      "  bitmar-train finetune --task rte --checkpoint runs/captions --data data -o runs/finetune\n"
      "  bitmar-train finetune --task all --checkpoint runs/captions --data data -o runs/finetune-off --no-memory");
  command->callback([flags] { run_finetune(*flags); });
}

}  // namespace bitmar
