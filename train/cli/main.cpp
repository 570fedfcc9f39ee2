// bitmar-train: prepares data, trains, distils and exports.
#include <fmt/format.h>

#include <cstdio>
#include <exception>

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "cli/commands.h"

namespace {

// A step frees its tensors and the next one asks for the same sizes again. By default glibc returns the large ones to
// the system, whose zeroed pages then cost more than most operations on them: a GELU over 32 MB takes four times as
// long.
void keep_freed_memory() {
#ifdef __GLIBC__
  mallopt(M_MMAP_MAX, 0);
  mallopt(M_TRIM_THRESHOLD, -1);
#endif
}

}  // namespace

int main(int argument_count, char** arguments) {
  keep_freed_memory();
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
