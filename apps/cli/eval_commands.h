// The commands below `bitmar eval`, one file each.
#pragma once

#include "commands.h"

namespace bitmar::cli {

void add_eval_captions_command(CLI::App& eval, const std::string& description, CommandAction& action);

}  // namespace bitmar::cli
