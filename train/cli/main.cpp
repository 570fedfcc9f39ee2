// bitmar-train: prepares data, trains, distils and exports.
#include <fmt/format.h>

#include <cstdio>
#include <exception>

#include "cli/commands.h"

// What jemalloc reads at its start. A step frees its tensors and the next one wants the same sizes again: memory once
// used is kept, as zeroed pages from the system cost more than most operations on them.
extern "C" {
const char* malloc_conf = "thp:always,dirty_decay_ms:-1,muzzy_decay_ms:-1";
}

int main(int argument_count, char** arguments) {
  CLI::App app("Trains BitMar: a small ternary vision-language model with an episodic memory", "bitmar-train");
  app.require_subcommand(1);
  app.set_help_all_flag("--help-all", "Show the help of every command");
  try {
    bitmar::register_commands(app);
    app.parse(argument_count, arguments);
  } catch (const CLI::ParseError& error) {
    return app.exit(error);
  } catch (const std::exception& error) {  // CommandError, or torch's own
    fmt::print(stderr, "bitmar-train: error: {}\n", error.what());
    return 1;
  }
  return 0;
}
