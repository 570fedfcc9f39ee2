#include "pretrain/settings.h"

namespace bitmar {
namespace {

void read_objective_section(TomlReader table, ObjectiveSettings& settings) {
  table.read_not_negative("contrast", settings.contrast);
  table.read_not_negative("memory", settings.memory);
  table.read_not_negative("reward", settings.reward);
  table.read("chunk_tokens", settings.chunk_tokens);
  table.read("sampled_core", settings.sampled_core);
  table.read("sampled_negatives", settings.sampled_negatives);
  if (settings.chunk_tokens == 0) table.fail_at("chunk_tokens", "expected a number > 0");
}

void read_train_section(TomlReader table, TrainSettings& settings) {
  table.require("run");
  table.read("run", settings.run);
  table.read("init_from", settings.init_from);
  table.read("seed", settings.seed);
  table.read("steps", settings.steps);
  table.read_not_negative("minutes", settings.minutes);
  table.read("accumulation", settings.accumulation);
  table.read("vision_dropout", settings.vision_dropout);
  table.read_not_negative("scale_learning_rate", settings.scale_learning_rate);
  table.read_not_negative("sharpness_learning_rate", settings.sharpness_learning_rate);
  table.read("checkpoint_activations", settings.checkpoint_activations);
  table.read_word("autocast", settings.autocast, parse_autocast);
  table.read("device", settings.device);
  table.read("threads", settings.threads);
  table.read("log_every", settings.log_every);
  table.read("diagnostics_every", settings.diagnostics_every);
  table.read("evaluate_every", settings.evaluate_every);
  table.read("evaluate_batches", settings.evaluate_batches);
  table.read("caption_samples", settings.caption_samples);
  table.read("caption_photos", settings.caption_photos);
  table.read("checkpoint_every", settings.checkpoint_every);
  table.read("keep_checkpoints", settings.keep_checkpoints);
  if (settings.steps == 0) table.fail_at("steps", "expected a number > 0");
  if (settings.accumulation == 0) table.fail_at("accumulation", "expected a number > 0");
  if (settings.autocast == Autocast::kFloat16 && settings.device.starts_with("cpu")) {
    table.fail_at("autocast", "is fp16, in which a CPU does not train; expected off or bf16");
  }
  if (settings.log_every == 0) table.fail_at("log_every", "expected a number > 0");
  if (!(settings.vision_dropout >= 0 && settings.vision_dropout < 1)) {
    table.fail_at("vision_dropout", "expected a number in [0, 1)");
  }
}

}  // namespace

Result<PretrainSettings> read_pretrain_settings(const TomlDocument& document) {
  PretrainSettings settings;
  TomlReader root = document.root();
  read_model_section(root.table("model"), settings.model);
  read_data_section(root.table("data"), settings.data);
  read_optimizer_section(root.table("optimizer"), settings.optimizer);
  TomlReader schedule = root.table("schedule");
  if (!schedule.contains("total_steps")) {
    root.table("train").read("steps", settings.schedule.total_steps);
  }
  read_schedule_section(schedule, settings.schedule);
  read_controller_section(root.table("controller"), settings.controller);
  read_objective_section(root.table("objective"), settings.objective);
  read_train_section(root.table("train"), settings.train);
  BITMAR_TRY_VOID(document.finish());
  settings.text = document.text();
  return settings;
}

}  // namespace bitmar
