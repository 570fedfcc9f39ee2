// The tables of a training configuration and the settings they fill: [model], [data], [optimizer], [schedule],
// [controller]. The commands read the rest themselves.
#pragma once

#include "config/toml_reader.h"
#include "data/settings.h"
#include "model/schema/config.h"
#include "optim/adamw.h"
#include "optim/controller.h"
#include "optim/schedule.h"

namespace bitmar {

// `preset = "bitmar-14m"` first, then single keys (named as ModelConfig's fields) over it; the result is validated.
void read_model_section(TomlReader table, ModelConfig& config);

// The model that a checkpoint's "config" text describes; `name` stands for it in errors.
[[nodiscard]] Result<ModelConfig> read_model_config(const std::string& text, const std::string& name);

// [data], its [[data.source]], [[data.train]] and [[data.validation]]; validated.
void read_data_section(TomlReader table, DataSettings& settings);

struct OptimizerSettings {
  AdamWSettings adamw;
  StatePrecision state = StatePrecision::kBlockwise8;  // `state = "8bit"` or "32bit"; embedding and head keep 32 bits
  double clip_norm = 1.0;
};
void read_optimizer_section(TomlReader table, OptimizerSettings& settings);
void read_schedule_section(TomlReader table, ScheduleSettings& settings);
void read_controller_section(TomlReader table, ControllerSettings& settings);

}  // namespace bitmar
