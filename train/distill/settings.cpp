#include "distill/settings.h"

#include <fmt/format.h>

namespace bitmar {
namespace {

void read_augmentation(TomlReader table, AugmentationSettings& settings) {
  table.read("minimum_area", settings.crop.minimum_area);
  table.read("maximum_aspect", settings.crop.maximum_aspect);
  table.read("mirror", settings.crop.mirror);
  table.read("brightness", settings.brightness);
  table.read("contrast", settings.contrast);
  const auto check = [&](const char* key, double value, double low, double high) {
    if (!(value >= low && value <= high)) {
      table.fail_at(key, fmt::format("{} is out of range; expected {} to {}", value, low, high));
    }
  };
  check("minimum_area", settings.crop.minimum_area, 0.05, 1.0);
  check("maximum_aspect", settings.crop.maximum_aspect, 1.0, 4.0);
  check("mirror", settings.crop.mirror, 0.0, 1.0);
  check("brightness", settings.brightness, 0.0, 1.0);
  check("contrast", settings.contrast, 0.0, 0.9);
}

void read_data(TomlReader table, DistillSettings& settings) {
  for (const auto* key : {"photos", "training_list", "validation_list", "teacher"}) table.require(key);
  table.read("photos", settings.photos);
  table.read("training_list", settings.training_list);
  table.read("validation_list", settings.validation_list);
  table.read("teacher", settings.teacher);
  table.read("training_photos", settings.training_photos);
  table.read("validation_photos", settings.validation_photos);
}

void read_run(TomlReader table, DistillSettings& settings) {
  for (const auto* key : {"run", "steps"}) table.require(key);
  table.read("run", settings.run);
  table.read("init_from", settings.init_from);
  table.read("steps", settings.steps);
  table.read("seed", settings.seed);
  table.read("batch", settings.batch);
  table.read_word("autocast", settings.autocast, parse_autocast);
  table.read("threads", settings.threads);
  table.read("statistics_photos", settings.statistics_photos);
  table.read_not_negative("scale_learning_rate", settings.scale_learning_rate);
  table.read("log_every", settings.log_every);
  table.read("evaluate_every", settings.evaluate_every);
  table.read("checkpoint_minutes", settings.checkpoint_minutes);
  table.read("keep_checkpoints", settings.keep_checkpoints);
  const auto positive = [&](const char* key, std::uint64_t value) {
    if (value == 0) table.fail_at(key, "is 0; expected at least 1");
  };
  positive("steps", settings.steps);
  positive("batch", settings.batch);
  positive("statistics_photos", settings.statistics_photos);
  positive("log_every", settings.log_every);
  positive("evaluate_every", settings.evaluate_every);
  if (settings.autocast == Autocast::kFloat16) table.fail_at("autocast", "is fp16; expected off or bf16");
}

void read_objective(TomlReader table, DistillObjective& objective) {
  table.read("pooled", objective.pooled);
  table.read_not_negative("smooth_l1_weight", objective.smooth_l1_weight);
  table.read_not_negative("residual_weight", objective.residual_weight);
}

}  // namespace

Result<DistillSettings> read_distill_settings(const TomlDocument& document) {
  DistillSettings settings;
  settings.schedule = {.kind = ScheduleKind::kCosine, .peak = 1e-3, .floor_ratio = 0.0, .warmup_steps = 50};
  settings.optimizer.state = StatePrecision::kFloat32;
  TomlReader root = document.root();
  TomlReader student = root.table("student");
  settings.student = *tower_preset("bitvit-tiny");
  student.read_word("preset", settings.student, tower_preset);
  read_data(root.table("data"), settings);
  read_run(root.table("distill"), settings);
  read_objective(root.table("objective"), settings.objective);
  read_augmentation(root.table("augmentation"), settings.augmentation);
  read_optimizer_section(root.table("optimizer"), settings.optimizer);
  settings.schedule.total_steps = settings.steps;
  read_schedule_section(root.table("schedule"), settings.schedule);
  BITMAR_TRY_VOID(document.finish());
  BITMAR_TRY_VOID(settings.schedule.validate());
  if (settings.student.precision == TowerPrecision::kInt8) {
    return fail(ErrorCode::kInvalidArgument, "student '{}': expected a ternary or float tower", settings.student.name);
  }
  return settings;
}

std::string describe_course(const DistillSettings& s) {
  const auto& a = s.augmentation;
  const auto& o = s.optimizer;
  return fmt::format(
      "student {} from '{}'; teacher {}; photos {} {} {}; seed {}; batch {}; autocast {}; statistics {}; "
      "scale rate {}; objective {} {}{}; augmentation {} {} {} {} {}; adamw {} {} {} {} state {} clip {}; "
      "schedule {} peak {} floor {} warmup {} restarts {} {} to {} of {} steps",
      s.student.name, s.init_from, s.teacher, s.photos, s.training_list, s.training_photos, s.seed, s.batch,
      static_cast<int>(s.autocast), s.statistics_photos, s.scale_learning_rate, s.objective.smooth_l1_weight,
      s.objective.residual_weight, s.objective.pooled ? "" : " every patch", a.crop.minimum_area, a.crop.maximum_aspect,
      a.crop.mirror, a.brightness, a.contrast, o.adamw.beta1, o.adamw.beta2, o.adamw.epsilon, o.adamw.weight_decay,
      static_cast<int>(o.state), o.clip_norm, static_cast<int>(s.schedule.kind), s.schedule.peak,
      s.schedule.floor_ratio, s.schedule.warmup_steps, s.schedule.restart_period, s.schedule.restart_multiplier,
      s.schedule.total_steps, s.steps);
}

}  // namespace bitmar
