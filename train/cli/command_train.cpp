#include <fmt/format.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <memory>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "parallel/launch.h"
#include "pretrain/pretrain.h"

namespace bitmar {
namespace {

struct TrainFlags {
  std::string config;
  std::vector<std::string> overrides;
  bool resume = false;
  bool quiet = false;
  std::uint32_t silence = 30;
};

void print_error(const std::string& message) {
  fmt::print(stderr, "bitmar-train: error: {}\n", message);
  std::fflush(stderr);
}

Result<PretrainSettings> settings_of(const TrainFlags& flags) {
  BITMAR_TRY(const TomlDocument document, TomlDocument::load(flags.config, flags.overrides));
  return read_pretrain_settings(document);
}

Result<PretrainReport> train(const TrainFlags& flags, Communicator& communicator) {
  const Result<PretrainSettings> settings = settings_of(flags);
  BITMAR_TRY_VOID(communicator.agree(settings));
  PretrainOptions options;
  options.resume = flags.resume;
  options.progress = flags.quiet ? nullptr : stderr;
  options.messages = [](LogLevel, std::string_view message) {
    fmt::print(stderr, "{}\n", message);
    std::fflush(stderr);
  };
  options.communicator = &communicator;
  BITMAR_TRY(const PretrainReport report, pretrain(*settings, options));
  if (communicator.leads()) {
    fmt::print("{}: {} steps, last loss {:.4f}\n", settings->train.run, report.steps, report.loss);
  }
  return report;
}

void run_train(const TrainFlags& flags) {
  const auto communicator = value_or_throw(
      open_communicator({.silence = std::chrono::seconds(flags.silence), .report = print_error}));
  Result<PretrainReport> report = fail(ErrorCode::kIo, "training did not start");
  try {
    report = train(flags, *communicator);
  } catch (const std::exception& error) {
    report = fail(ErrorCode::kIo, "{}", error.what());
  }
  if (report) return;
  if (communicator->size() == 1) throw CommandError(report.error());
  if (!communicator->failed_together()) {
    // The others know nothing of it and would wait.
    print_error(fmt::format("process of rank {}: {}", communicator->rank(), report.error().message));
    communicator->abort();
  }
  if (communicator->leads()) throw CommandError(report.error());
  throw CLI::RuntimeError(1);
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
  command
      ->add_option("--silence", flags->silence,
                   "Of several processes: one that shows no sign of life for so many seconds is lost")
      ->capture_default_str()
      ->check(CLI::Range(2u, 86400u));
  command->footer(
      "Examples:\n"
      "  bitmar-train train --config configs/bitmar-14m.toml\n"
      "  bitmar-train train --config configs/bitmar-14m.toml --resume\n"
      "  mpirun -n 2 bitmar-train train --config configs/bitmar-14m.toml\n"
      "  touch RUN/diagnose     # ask a running training for diagnostics at its next step");
  command->callback([flags] { run_train(*flags); });
}

}  // namespace bitmar
