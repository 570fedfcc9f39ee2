// `bitmar`: parses the command line, runs one command, turns its error into one line and an exit status.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <exception>
#include <string>

#include "commands.h"

namespace {

constexpr int kFailure = 1;     // the command failed
constexpr int kUsageError = 2;  // the command line is wrong

// "bitmar eval piqa": the command that was being parsed.
std::string command_of(const CLI::App& app) {
  const auto chosen = app.get_subcommands();
  return chosen.empty() ? app.get_name() : app.get_name() + " " + command_of(*chosen.front());
}

void print_error(std::string message) {
  std::ranges::replace(message, '\n', ' ');
  fmt::print(stderr, "bitmar: {}\n", message);
}

int run(int argument_count, char** arguments) {
  CLI::App app("BitMar: captions and text from photos with a ternary model and an episodic memory.", "bitmar");
  app.set_version_flag("--version", "bitmar " BITMAR_VERSION);
  app.require_subcommand(1);
  app.get_formatter()->column_width(34);
  bitmar::cli::CommandAction action;
  for (const auto add_command : bitmar::cli::kCommands) add_command(app, action);
  try {
    app.parse(argument_count, arguments);
  } catch (const CLI::Success& success) {  // --help, --version
    return app.exit(success);
  } catch (const CLI::ParseError& error) {
    print_error(fmt::format("{} (see {} --help)", error.what(), command_of(app)));
    return kUsageError;
  }
  if (const auto result = action(); !result) {
    print_error(result.error().message);
    return kFailure;
  }
  return 0;
}

}  // namespace

int main(int argument_count, char** arguments) {
  try {
    return run(argument_count, arguments);
  } catch (const std::exception& error) {  // out of memory, or a failure inside a dependency
    print_error(error.what());
    return kFailure;
  }
}
