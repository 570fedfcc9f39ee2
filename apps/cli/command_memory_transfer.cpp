// bitmar memory forget, export and import.
#include <fmt/format.h>

#include <filesystem>
#include <utility>
#include <vector>

#include "memory_commands.h"

namespace bitmar::cli {
namespace {

struct ForgetOptions : MemoryOptions {
  std::vector<std::uint64_t> ids;
  bool all = false;
};

struct TransferOptions : MemoryOptions {
  std::string path;
  bool force = false;
};

// The memory as the model ships it. Ids go on, so that none ever names two episodes.
Result<Memory> forget_everything(const std::shared_ptr<const Engine>& engine, const Memory& memory) {
  return Memory::restore(engine, engine->memory()->state(), {}, memory.next_id(), 0);
}

Result<void> forget(const ForgetOptions& options) {
  if (options.ids.empty() != options.all) {
    return fail(ErrorCode::kInvalidArgument, "memory forget: expected ids of episodes, or --all");
  }
  BITMAR_TRY(const OpenMemory open, open_memory_file(options));
  BITMAR_TRY(const FileLock lock, open.file.lock());
  BITMAR_TRY(Memory memory, open.file.load());
  std::vector<std::uint64_t> forgotten = options.ids;
  if (options.all) {
    for (const Episode* episode : memory.episodes()) forgotten.push_back(episode->id);
    BITMAR_TRY(memory, forget_everything(open.engine, memory));
  }
  for (const std::uint64_t id : options.ids) {
    if (!memory.forget(id))
      return fail(ErrorCode::kNotFound, "{}: no episode {}; nothing was forgotten", open.file.path(), id);
  }
  BITMAR_TRY_VOID(open.file.save(memory));
  const std::size_t remaining = memory.episodes().size();
  if (options.json) {
    print_json({{"forgotten", forgotten}, {"remaining", remaining}});
  } else {
    fmt::print("forgot {}; {} remain\n", forgotten.size(), remaining);
  }
  return {};
}

void print_transfer(const Memory& memory, const std::string& from, const std::string& to, bool json) {
  const std::size_t episodes = memory.episodes().size();
  if (json) {
    print_json({{"from", from}, {"to", to}, {"episodes", episodes}});
  } else {
    fmt::print("{} -> {}: {} episode{}\n", from, to, episodes, episodes == 1 ? "" : "s");
  }
}

Result<void> export_memory(const TransferOptions& options) {
  BITMAR_TRY(const OpenMemory open, open_memory_file(options));
  BITMAR_TRY(const Memory memory, open.file.load());
  std::error_code ignored;
  if (!options.force && std::filesystem::exists(options.path, ignored)) {
    return fail(ErrorCode::kInvalidArgument, "{}: the file exists; --force replaces it", options.path);
  }
  BITMAR_TRY_VOID(save_memory_snapshot(memory, options.path));
  print_transfer(memory, open.file.path(), options.path, options.json);
  return {};
}

Result<void> import_memory(const TransferOptions& options) {
  BITMAR_TRY(const OpenMemory open, open_memory_file(options));
  BITMAR_TRY(const Memory imported, load_memory_snapshot(options.path, open.engine));
  BITMAR_TRY(const FileLock lock, open.file.lock());
  if (!options.force) {
    BITMAR_TRY(const Memory current, open.file.load_or_empty());
    if (const std::size_t held = current.episodes().size() + current.folded(); held > 0) {
      return fail(ErrorCode::kInvalidArgument, "{}: it holds {} episode{} already; --force replaces them",
                  open.file.path(), held, held == 1 ? "" : "s");
    }
  }
  BITMAR_TRY_VOID(open.file.save(imported));
  print_transfer(imported, options.path, open.file.path(), options.json);
  return {};
}

}  // namespace

void add_memory_forget_command(CLI::App& memory, CommandAction& action) {
  auto options = std::make_shared<ForgetOptions>();
  CLI::App* command = memory.add_subcommand("forget", "Forget episodes, as if they had never been");
  add_memory_file_options(*command, *options);
  command->add_option("ids", options->ids, "the episodes, as list shows them; one that is unknown: none is forgotten");
  command->add_flag("--all", options->all, "forget everything: back to the memory that the model ships");
  command->footer("Examples:\n  bitmar memory forget 3 5\n  bitmar memory forget --all");
  command->callback([options, &action] { action = [options] { return forget(*options); }; });
}

void add_memory_export_command(CLI::App& memory, CommandAction& action) {
  auto options = std::make_shared<TransferOptions>();
  CLI::App* command = memory.add_subcommand("export", "Copy the memory to a file");
  add_memory_file_options(*command, *options);
  command->add_option("file", options->path, "the new file")->required();
  command->add_flag("--force", options->force, "replace the file if it exists");
  command->footer("Example:\n  bitmar memory export holiday.memory");
  command->callback([options, &action] { action = [options] { return export_memory(*options); }; });
}

void add_memory_import_command(CLI::App& memory, CommandAction& action) {
  auto options = std::make_shared<TransferOptions>();
  CLI::App* command = memory.add_subcommand("import", "Replace the memory by an exported one of the same model");
  add_memory_file_options(*command, *options);
  command->add_option("file", options->path, "an exported memory")->required();
  command->add_flag("--force", options->force, "replace a memory that holds episodes");
  command->footer("Example:\n  bitmar memory import holiday.memory --force");
  command->callback([options, &action] { action = [options] { return import_memory(*options); }; });
}

}  // namespace bitmar::cli
