#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "cli/commands.h"
#include "distill/distill_run.h"
#include "distill/distiller.h"
#include "export/tower_export.h"

namespace bitmar {
namespace {

struct DistillFlags {
  std::string config;
  std::vector<std::string> overrides;
  bool resume = false;
  bool quiet = false;
};

void run_distill(const DistillFlags& flags) {
  const TomlDocument document = value_or_throw(TomlDocument::load(flags.config, flags.overrides));
  const DistillSettings settings = value_or_throw(read_distill_settings(document));
  DistillRunOptions options;
  options.resume = flags.resume;
  options.progress = flags.quiet ? nullptr : stderr;
  options.messages = [](LogLevel, std::string_view message) {
    fmt::print(stderr, "{}\n", message);
    std::fflush(stderr);
  };
  const double cosine = value_or_throw(run_distillation(settings, options));
  fmt::print("{}: {} steps, mean-centred cosine {:.4f}\n", settings.run, settings.steps, cosine);
}

struct ExportTowerFlags {
  std::string checkpoint;
  std::string output;
  std::string name = "BitViT-Tiny";
  std::string license;
};

void run_export_tower(const ExportTowerFlags& flags) {
  const Checkpoint checkpoint = value_or_throw(open_checkpoint(flags.checkpoint));
  const VisionTransformer student = value_or_throw(load_student(checkpoint));
  std::map<std::string, std::string> metadata{{"general.name", flags.name}};
  if (!flags.license.empty()) metadata["general.license"] = flags.license;
  value_or_throw(export_tower(*student, metadata, flags.output));
  fmt::print("{}: {} bytes, distilled for {} steps, {:.1f} % zeros\n", flags.output,
             std::filesystem::file_size(flags.output), checkpoint.step, 100.0 * student->zero_fraction());
}

}  // namespace

void register_distill(CLI::App& app) {
  auto flags = std::make_shared<DistillFlags>();
  CLI::App* command = app.add_subcommand("distill", "Train a ternary vision tower to a teacher's features");
  command->add_option("-c,--config", flags->config, "The configuration (TOML)")->required();
  command->add_option("--set", flags->overrides, "Override a key: --set distill.steps=100 (repeatable)")
      ->allow_extra_args(false);
  command->add_flag("--resume", flags->resume, "Continue from the run's newest checkpoint");
  command->add_flag("-q,--quiet", flags->quiet, "No progress line");
  command->footer(
      "Examples:\n"
      "  bitmar-train distill --config configs/distill-bitvit.toml\n"
      "  bitmar-train distill --config configs/distill-bitvit.toml --set distill.threads=1 --resume");
  command->callback([flags] { run_distill(*flags); });
}

void register_export_tower(CLI::App& app) {
  auto flags = std::make_shared<ExportTowerFlags>();
  CLI::App* command = app.add_subcommand("export-tower", "Write a distilled vision tower as a GGUF file");
  command->add_option("--checkpoint", flags->checkpoint, "A run's folder (its newest checkpoint) or one checkpoint")
      ->required();
  command->add_option("--name", flags->name, "general.name of the file");
  command->add_option("--license", flags->license, "general.license of the file");
  command->add_option("-o,--output", flags->output, "The file to write")->required();
  command->footer(
      "Example:\n"
      "  bitmar-train export-tower --checkpoint runs/distill -o bitvit.gguf");
  command->callback([flags] { run_export_tower(*flags); });
}

}  // namespace bitmar
