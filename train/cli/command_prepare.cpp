#include <algorithm>
#include <fmt/format.h>

#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "config/sections.h"
#include "config/toml_reader.h"
#include "data/prepare.h"
#include "log/progress.h"

namespace bitmar {
namespace {

struct PrepareFlags {
  std::string config;
  std::vector<std::string> overrides;
  bool force = false;
  bool json = false;
};

nlohmann::json report(const PreparedSource& prepared) {
  const ShardManifest& manifest = prepared.manifest;
  return {{"name", manifest.name},
          {"kind", manifest.kind == SourceKind::kCaptions ? "captions" : "text"},
          {"images", manifest.images},
          {"sequences", manifest.sequences},
          {"words", manifest.words},
          {"tokens", manifest.tokens},
          {"holdout_tokens", manifest.holdout_tokens},
          {"reused", prepared.reused}};
}

void print_line(const PreparedSource& prepared) {
  const ShardManifest& manifest = prepared.manifest;
  const bool captions = manifest.kind == SourceKind::kCaptions;
  fmt::print("{:<24} {:>9} {} {:>11} words {:>11} tokens{}{}\n", manifest.name, manifest.sequences,
             captions ? fmt::format("captions of {} images,", manifest.images) : "documents,", manifest.words,
             manifest.tokens, captions ? "" : fmt::format(", {} held out", manifest.holdout_tokens),
             prepared.reused ? " (up to date)" : "");
}

// By some stream; the other sources of a base are other stages'.
bool is_read(const DataSettings& settings, const std::string& source) {
  const auto reads = [&](const StreamSettings& stream) {
    return std::ranges::find(stream.sources, source) != stream.sources.end();
  };
  return std::ranges::any_of(settings.train, reads) || std::ranges::any_of(settings.validation, reads);
}

void run_prepare(const PrepareFlags& flags) {
  const TomlDocument document = value_or_throw(TomlDocument::load(flags.config, flags.overrides));
  DataSettings settings;
  read_data_section(document.root().table("data"), settings);
  value_or_throw(document.finish({"model", "optimizer", "schedule", "controller", "objective", "train"}));
  const Tokenizer tokenizer = value_or_throw(Tokenizer::from_merges_file(settings.merges));
  nlohmann::json reports = nlohmann::json::array();
  for (const SourceSettings& source : settings.sources) {
    if (!is_read(settings, source.name)) continue;
    std::unique_ptr<Progress> progress;
    const auto show = [&](const SourceSettings&, std::uint64_t done, std::uint64_t total) {
      if (!progress) progress = std::make_unique<Progress>(stderr, source.name, total);
      progress->update(done, 0, "");
    };
    const PreparedSource prepared = value_or_throw(prepare_source(settings, source, tokenizer, flags.force, show));
    progress.reset();
    reports.push_back(report(prepared));
    if (!flags.json) print_line(prepared);
  }
  if (flags.json) fmt::print("{}\n", reports.dump(2));
}

}  // namespace

void register_prepare(CLI::App& app) {
  auto flags = std::make_shared<PrepareFlags>();
  CLI::App* command =
      app.add_subcommand("prepare", "Tokenize the corpora of a configuration into memory-mapped shards");
  command->add_option("-c,--config", flags->config, "The configuration (TOML)")->required();
  command->add_option("--set", flags->overrides, "Override a key: --set data.root=corpora (repeatable)")
      ->allow_extra_args(false);
  command->add_flag("--force", flags->force, "Remake shards that are up to date");
  command->add_flag("--json", flags->json, "Print the counts as JSON");
  command->footer(
      "Shards that are up to date are kept, so an interrupted run continues with the next source.\n"
      "Examples:\n"
      "  bitmar-train prepare --config configs/bitmar-14m.toml\n"
      "  bitmar-train prepare --config configs/bitmar-14m.toml --set data.root=/corpora --json");
  command->callback([flags] { run_prepare(*flags); });
}

}  // namespace bitmar
