#include <fmt/format.h>

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "pretrain/pretrain.h"

namespace bitmar {
namespace {

struct TrainFlags {
  std::string config;
  std::vector<std::string> overrides;
  bool resume = false;
  bool quiet = false;
};

void run_train(const TrainFlags& flags) {
  const TomlDocument document = value_or_throw(TomlDocument::load(flags.config, flags.overrides));
  const PretrainSettings settings = value_or_throw(read_pretrain_settings(document));
  PretrainOptions options;
  options.resume = flags.resume;
  options.progress = flags.quiet ? nullptr : stderr;
  options.messages = [](LogLevel, std::string_view message) {
    fmt::print(stderr, "{}\n", message);
    std::fflush(stderr);
  };
  const PretrainReport report = value_or_throw(pretrain(settings, options));
  fmt::print("{}: {} steps, last loss {:.4f}\n", settings.train.run, report.steps, report.loss);
}

}  // namespace

void register_train(CLI::App& app) {
  auto flags = std::make_shared<TrainFlags>();
  CLI::App* command = app.add_subcommand("train", "Train BitMar as a configuration says");
  command->add_option("-c,--config", flags->config, "The configuration (TOML)")->required();
  command->add_option("--set", flags->overrides, "Override a key: --set train.steps=100 (repeatable)")
      ->allow_extra_args(false);
  command->add_flag("--resume", flags->resume, "Continue from the run's newest checkpoint");
  command->add_flag("-q,--quiet", flags->quiet, "No progress line");
  command->footer(
      "Examples:\n"
      "  bitmar-train train --config configs/bitmar-14m.toml\n"
      "  bitmar-train train --config configs/bitmar-14m.toml --resume\n"
      "  touch RUN/diagnose     # ask a running training for diagnostics at its next step");
  command->callback([flags] { run_train(*flags); });
}

}  // namespace bitmar
