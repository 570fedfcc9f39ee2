// The subcommands of `bitmar memory`, and what they share. commands.h tells how a command is added.
#pragma once

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <string>

#include "commands.h"
#include "memory_file.h"
#include "model_options.h"

namespace bitmar::cli {

struct MemoryOptions {
  ModelOptions model;  // model.memory: the file that the command works on
  bool json = false;
};

// Adds -m, --tower, -t, --memory and --json.
void add_memory_file_options(CLI::App& command, MemoryOptions& options);

struct OpenMemory {
  std::shared_ptr<const Engine> engine;
  MemoryFile file;
};
[[nodiscard]] Result<OpenMemory> open_memory_file(const MemoryOptions& options);

// One line: id, time, source and words, control characters escaped.
[[nodiscard]] std::string describe(const Episode& episode);
// "12 (0.31) 45 (0.20)".
[[nodiscard]] std::string describe_slots(const Episode& episode);
[[nodiscard]] nlohmann::ordered_json to_json(const Episode& episode);
// On standard output; what is not UTF-8 becomes U+FFFD.
void print_json(const nlohmann::ordered_json& json, int indent = -1);

void add_memory_list_command(CLI::App& memory, CommandAction& action);
void add_memory_write_command(CLI::App& memory, CommandAction& action);
void add_memory_edit_command(CLI::App& memory, CommandAction& action);
void add_memory_forget_command(CLI::App& memory, CommandAction& action);
void add_memory_export_command(CLI::App& memory, CommandAction& action);
void add_memory_import_command(CLI::App& memory, CommandAction& action);

}  // namespace bitmar::cli
