#include "cli/commands.h"

#include "parallel/launch.h"

namespace bitmar {
namespace {

// All but `train` would do the same work several times over, into the same files.
void refuse_several_processes(CLI::App& app) {
  for (CLI::App* command : app.get_subcommands({})) {
    if (command->get_name() == "train") continue;
    command->preparse_callback([name = command->get_name()](std::size_t) {
      if (!launched_in_parallel()) return;
      throw CommandError({ErrorCode::kUnsupported,
                          fmt::format("{} runs in one process; several can only train", name)});
    });
  }
}

}  // namespace

void register_commands(CLI::App& app) {
  register_prepare(app);
  register_train(app);
  register_bench(app);
  register_evaluate(app);
  register_export(app);
  register_distill(app);
  register_export_tower(app);
  register_finetune(app);
  refuse_several_processes(app);
}

}  // namespace bitmar
