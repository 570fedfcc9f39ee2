// bitmar inspect: what is in a model, tower, snapshot, checkpoint or feature file.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <sstream>
#include <string>

#include "commands.h"
#include "file_inspection.h"

namespace bitmar::cli {
namespace {

struct InspectFlags {
  std::string path;
  bool tensors = false;
  bool json = false;
};

struct Totals {
  std::uint64_t ternary = 0;  // weights
  double zeros = 0;           // among them
};

Totals total(const FileSummary& summary) {
  Totals totals;
  for (const auto& tensor : summary.tensors) {
    if (tensor.zeros < 0) continue;
    std::uint64_t count = 1;
    for (const auto extent : tensor.shape) count *= extent;
    totals.ternary += count;
    totals.zeros += tensor.zeros * static_cast<double>(count);
  }
  return totals;
}

double bits_per_weight(const FileSummary& summary) {
  const std::uint64_t weights = summary.parameters + summary.memory_state;
  return weights == 0 ? 0 : 8.0 * static_cast<double>(summary.weight_bytes) / static_cast<double>(weights);
}

// A text of several lines, like a checkpoint's configuration, as a block; other control characters stay escaped.
void print_metadata(const std::string& key, const nlohmann::ordered_json& value) {
  constexpr auto kReplace = nlohmann::json::error_handler_t::replace;
  const std::string text = value.is_string() ? value.get<std::string>() : std::string();
  const auto hidden = [](unsigned char letter) { return letter < 0x20 && letter != '\n' && letter != '\t'; };
  if (!text.contains('\n') || std::ranges::any_of(text, hidden)) {
    fmt::print("  {} = {}\n", key, value.dump(-1, ' ', false, kReplace));
    return;
  }
  fmt::print("  {} =\n", key);
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) fmt::print("    {}\n", line);
}

void print_summary(const FileSummary& summary, const Totals& totals) {
  nlohmann::ordered_json json;
  json["kind"] = summary.kind;
  json["parameters"] = summary.parameters;
  json["memory_state"] = summary.memory_state;
  json["ternary_weights"] = totals.ternary;
  if (totals.ternary > 0) json["zeros"] = totals.zeros / static_cast<double>(totals.ternary);
  json["bits_per_weight"] = bits_per_weight(summary);
  json["file_bytes"] = summary.file_bytes;
  if (summary.resident_bytes > 0) json["resident_bytes"] = summary.resident_bytes;
  json["metadata"] = summary.metadata;
  for (const auto& tensor : summary.tensors) {
    nlohmann::ordered_json entry = {
        {"name", tensor.name}, {"type", tensor.type}, {"shape", tensor.shape}, {"bytes", tensor.bytes}};
    if (tensor.zeros >= 0) entry["zeros"] = tensor.zeros;
    json["tensors"].push_back(std::move(entry));
  }
  fmt::print("{}\n", json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
}

Result<void> inspect(const InspectFlags& options) {
  BITMAR_TRY(const FileSummary summary, inspect_file(options.path));
  const Totals totals = total(summary);
  if (options.json) {
    print_summary(summary, totals);
    return {};
  }
  const auto line = [](std::string_view name, const std::string& value) { fmt::print("{:<18}{}\n", name, value); };
  line("kind", summary.kind);
  if (summary.parameters > 0) line("parameters", fmt::format("{}", summary.parameters));
  if (summary.memory_state > 0) line("memory state", fmt::format("{} values", summary.memory_state));
  if (totals.ternary > 0) {
    line("ternary weights",
         fmt::format("{}, {:.1f} % zeros", totals.ternary, 100.0 * totals.zeros / static_cast<double>(totals.ternary)));
  }
  if (summary.parameters > 0) line("bits per weight", fmt::format("{:.3f}", bits_per_weight(summary)));
  line("file", fmt::format("{} bytes", summary.file_bytes));
  if (summary.resident_bytes > 0) line("in memory", fmt::format("{} bytes", summary.resident_bytes));
  line("tensors", fmt::format("{}", summary.tensors.size()));
  for (const auto& [key, value] : summary.metadata.items()) print_metadata(key, value);
  if (!options.tensors) return {};
  for (const auto& tensor : summary.tensors) {
    fmt::print("  {:<44} {:<10} [{}] {} bytes{}\n", tensor.name, tensor.type, fmt::join(tensor.shape, ", "),
               tensor.bytes, tensor.zeros < 0 ? "" : fmt::format(", {:.1f} % zeros", 100.0 * tensor.zeros));
  }
  return {};
}

}  // namespace

void add_inspect_command(CLI::App& app, CommandAction& action) {
  auto options = std::make_shared<InspectFlags>();
  CLI::App* command = app.add_subcommand("inspect", "Show what is in a file");
  command->add_option("file", options->path, "a model, tower, memory snapshot, checkpoint or .npy file")->required();
  command->add_flag("--tensors", options->tensors, "list the tensors");
  command->add_flag("--json", options->json, "print all as JSON");
  command->footer("Example:\n  bitmar inspect models/bitmar-14m.gguf --tensors");
  command->callback([options, &action] { action = [options] { return inspect(*options); }; });
}

}  // namespace bitmar::cli
