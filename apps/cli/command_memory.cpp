// bitmar memory: lists, writes, edits, forgets, exports and imports what the model remembers of a user's photos.
#include <fmt/format.h>

#include <utility>

#include "memory_commands.h"

namespace bitmar::cli {
namespace {

// As JSON writes a string, without the quotes: no control character reaches the terminal.
std::string escape(const std::string& text) {
  const std::string quoted = nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  return quoted.substr(1, quoted.size() - 2);
}

}  // namespace

void add_memory_file_options(CLI::App& command, MemoryOptions& options) {
  add_model_options(command, options.model);
  command.add_option("--memory", options.model.memory,
                     "the memory's file (default: BITMAR_MEMORY, else bitmar/<model>-<hash>.memory in XDG_DATA_HOME or "
                     "~/.local/share)");
  command.add_flag("--json", options.json, "print JSON");
}

Result<OpenMemory> open_memory_file(const MemoryOptions& options) {
  BITMAR_TRY(auto engine, open_engine(options.model));
  BITMAR_TRY(MemoryFile file, MemoryFile::of(engine, options.model.memory));
  return OpenMemory{std::move(engine), std::move(file)};
}

std::string describe(const Episode& episode) {
  const Provenance& from = episode.provenance;
  return fmt::format("{:>5}  {}  {}  \"{}\"", episode.id, escape(from.time),
                     from.source.empty() ? "(no photo)" : escape(from.source), escape(from.text));
}

std::string describe_slots(const Episode& episode) {
  std::string text;
  for (const auto& [slot, weight] : episode.slots) {
    text += fmt::format("{}{} ({:.2f})", text.empty() ? "" : " ", slot, weight);
  }
  return text;
}

nlohmann::ordered_json to_json(const Episode& episode) {
  nlohmann::ordered_json json;
  json["id"] = episode.id;
  json["time"] = episode.provenance.time;
  json["source"] = episode.provenance.source;
  json["text"] = episode.provenance.text;
  json["slots"] = nlohmann::ordered_json::array();
  for (const auto& [slot, weight] : episode.slots) json["slots"].push_back({{"slot", slot}, {"weight", weight}});
  return json;
}

void print_json(const nlohmann::ordered_json& json, int indent) {
  fmt::print("{}\n", json.dump(indent, ' ', false, nlohmann::json::error_handler_t::replace));
}

void add_memory_command(CLI::App& app, CommandAction& action) {
  CLI::App* command = app.add_subcommand("memory", "List, write, edit, forget, export and import memories");
  command->require_subcommand(1);
  add_memory_list_command(*command, action);
  add_memory_write_command(*command, action);
  add_memory_edit_command(*command, action);
  add_memory_forget_command(*command, action);
  add_memory_export_command(*command, action);
  add_memory_import_command(*command, action);
  command->footer(
      "What was written stays on this machine, in one file for each model, until it is forgotten.\n"
      "Examples:\n"
      "  bitmar memory write dog.jpg --text \"Our dog Rex at the lake\"\n"
      "  bitmar memory list\n"
      "  bitmar caption new.jpg --memory default");
}

}  // namespace bitmar::cli
