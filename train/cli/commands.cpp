#include "cli/commands.h"

namespace bitmar {

void register_commands(CLI::App& app) {
  register_prepare(app);
  register_train(app);
  register_bench(app);
  register_evaluate(app);
  register_export(app);
  register_distill(app);
  register_export_tower(app);
  register_finetune(app);
}

}  // namespace bitmar
