// bitmar memory list: the episodes, and what the slots hold.
#include <fmt/format.h>

#include "memory_commands.h"

namespace bitmar::cli {
namespace {

struct Options : MemoryOptions {
  bool slots = false;
};

nlohmann::ordered_json slot_json(const SlotSummary& summary) {
  nlohmann::ordered_json json = {{"slot", summary.slot}, {"usage", summary.usage}};
  json["episodes"] = nlohmann::ordered_json::array();
  for (const auto& [id, weight] : summary.episodes) json["episodes"].push_back({{"id", id}, {"weight", weight}});
  return json;
}

void print_as_json(const MemoryFile& file, const Memory& memory, bool slots) {
  nlohmann::ordered_json json;
  json["memory"] = file.path();
  json["model"] = memory.engine().content_hash();
  json["folded"] = memory.folded();
  json["episodes"] = nlohmann::ordered_json::array();
  for (const Episode* episode : memory.episodes()) json["episodes"].push_back(to_json(*episode));
  if (slots) {
    for (const SlotSummary& summary : memory.slots()) json["slots"].push_back(slot_json(summary));
  }
  print_json(json, 2);
}

Result<void> list(const Options& options) {
  BITMAR_TRY(const OpenMemory open, open_memory_file(options));
  BITMAR_TRY(const Memory memory, open.file.load());
  if (options.json) {
    print_as_json(open.file, memory, options.slots);
    return {};
  }
  const auto episodes = memory.episodes();
  fmt::print("{}: {} episode{}", open.file.path(), episodes.size(), episodes.size() == 1 ? "" : "s");
  if (memory.folded() > 0) fmt::print(", and {} older ones that cannot be forgotten one by one", memory.folded());
  fmt::print("\n");
  for (const Episode* episode : episodes)
    fmt::print("{}\n       slots {}\n", describe(*episode), describe_slots(*episode));
  if (!options.slots) return {};
  fmt::print("{:>5}  {:>6}  episode (share of its write)\n", "slot", "usage");
  for (const SlotSummary& summary : memory.slots()) {
    fmt::print("{:>5}  {:>6.4f} ", summary.slot, summary.usage);
    for (const auto& [id, weight] : summary.episodes) fmt::print(" {} ({:.2f})", id, weight);
    fmt::print("\n");
  }
  return {};
}

}  // namespace

void add_memory_list_command(CLI::App& memory, CommandAction& action) {
  auto options = std::make_shared<Options>();
  CLI::App* command = memory.add_subcommand("list", "Show the episodes: id, time, source, words, slots with weights");
  add_memory_file_options(*command, *options);
  command->add_flag("--slots", options->slots, "show every slot too: its usage and the episodes that wrote it");
  command->footer("Examples:\n  bitmar memory list\n  bitmar memory list --slots --json");
  command->callback([options, &action] { action = [options] { return list(*options); }; });
}

}  // namespace bitmar::cli
