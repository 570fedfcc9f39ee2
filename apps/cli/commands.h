// The commands of `bitmar`, one file each. A command adds its options to the application and, where the user chose it,
// leaves what to do in `action`:
//
//   void add_inspect_command(CLI::App& app, CommandAction& action) {
//     auto options = std::make_shared<InspectOptions>();
//     CLI::App* command = app.add_subcommand("inspect", "Show what is in a file");
//     command->add_option("file", options->path, "a model")->required();
//     command->callback([options, &action] { action = [options] { return inspect(*options); }; });
//   }
#pragma once

#include <CLI/CLI.hpp>
#include <array>
#include <functional>
#include <string>

#include "base/result.h"

namespace bitmar::cli {

// Runs a command. An error is printed as one line, "bitmar: message", and ends the program with status 1.
using CommandAction = std::function<Result<void>()>;

using AddCommand = void (*)(CLI::App& app, CommandAction& action);

void add_bench_command(CLI::App& app, CommandAction& action);
void add_caption_command(CLI::App& app, CommandAction& action);
void add_convert_command(CLI::App& app, CommandAction& action);
void add_eval_command(CLI::App& app, CommandAction& action);
void add_features_command(CLI::App& app, CommandAction& action);
void add_generate_command(CLI::App& app, CommandAction& action);
void add_inspect_command(CLI::App& app, CommandAction& action);
void add_memory_command(CLI::App& app, CommandAction& action);
void add_report_command(CLI::App& app, CommandAction& action);
void add_reproduce_command(CLI::App& app, CommandAction& action);
void add_train_command(CLI::App& app, CommandAction& action);

// In the order of `bitmar --help`.
inline constexpr std::array kCommands = {
    add_caption_command, add_generate_command,  add_memory_command, add_inspect_command,
    add_convert_command, add_features_command,  add_train_command,  add_report_command,
    add_eval_command,    add_reproduce_command, add_bench_command,
};

}  // namespace bitmar::cli
