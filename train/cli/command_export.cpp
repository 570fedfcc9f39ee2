#include <fmt/format.h>

#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "checkpoint/checkpoint.h"
#include "cli/commands.h"
#include "config/sections.h"
#include "export/model_export.h"
#include "pretrain/learner.h"

namespace bitmar {
namespace {

struct ExportFlags {
  std::string checkpoint;
  std::string output;
  std::string name = "BitMar";
  std::string license;
  ExportOptions options;
};

void run_export(const ExportFlags& flags) {
  const Checkpoint checkpoint = value_or_throw(open_checkpoint(flags.checkpoint));
  const ModelConfig config =
      value_or_throw(read_model_config(value_or_throw(checkpoint.text("config")), flags.checkpoint));
  BitmarModel model(config, 0.0);
  value_or_throw(load_module(*model, checkpoint, "model."));
  ExportOptions options = flags.options;
  options.metadata["general.name"] = flags.name;
  if (!flags.license.empty()) options.metadata["general.license"] = flags.license;
  value_or_throw(export_model(model, options, flags.output));
  fmt::print("{}: {} bytes, trained for {} steps\n", flags.output, std::filesystem::file_size(flags.output),
             checkpoint.step);
}

}  // namespace

void register_export(CLI::App& app) {
  auto flags = std::make_shared<ExportFlags>();
  CLI::App* command = app.add_subcommand("export", "Write a trained model as one GGUF file");
  command->add_option("--checkpoint", flags->checkpoint, "A run's folder (its newest checkpoint) or one checkpoint")
      ->required();
  command->add_option("--tower", flags->options.tower,
                      "The vision tower to put into the file; without it, features only");
  command->add_option("--merges", flags->options.merges, "GPT-2's merges.txt")->required();
  command->add_option("--name", flags->name, "general.name of the file");
  command->add_option("--license", flags->license, "general.license of the file");
  command->add_option("-o,--output", flags->output, "The file to write")->required();
  command->footer(
      "Example:\n"
      "  bitmar-train export --checkpoint runs/captions --tower tower.gguf --merges models/gpt2-merges.txt \\\n"
      "    -o models/bitmar-14m.gguf");
  command->callback([flags] { run_export(*flags); });
}

}  // namespace bitmar
