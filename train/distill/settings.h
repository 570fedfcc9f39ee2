// A distillation run: the tables [student], [data], [distill], [objective], [augmentation], [optimizer] and [schedule]
// of a configuration. docs/training.md lists the keys.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "config/autocast_mode.h"
#include "config/sections.h"
#include "config/toml_reader.h"
#include "distill/augmentation.h"
#include "distill/feature_objective.h"
#include "model/schema/config.h"

namespace bitmar {

struct DistillSettings {
  VisionTowerConfig student;  // a tower preset; the teacher has the same shape in FP32
  // [data]
  std::string photos;         // the folder
  std::string training_list;  // a photo's file name a line
  std::string validation_list;
  std::string teacher;                // safetensors, timm's names
  std::uint64_t training_photos = 0;  // 0: all
  std::uint64_t validation_photos = 128;
  // [distill]
  std::string run;          // the run's folder: checkpoints/, log/
  std::string init_from;    // a tower's or a model's file whose tower the student starts from; empty: the teacher
  std::uint64_t steps = 0;  // the run's length
  std::uint64_t seed = 1;
  std::uint64_t batch = 32;
  Autocast autocast = Autocast::kOff;     // bf16: the teacher's products and the student's backward ones
  std::uint32_t threads = 0;              // 0: torch's choice
  std::uint64_t statistics_photos = 256;  // from which the teacher's mean and deviation are taken
  double scale_learning_rate = 0.1;       // of the ternary scales, as a share of the others'
  std::uint64_t log_every = 10;
  std::uint64_t evaluate_every = 100;
  double checkpoint_minutes = 5.0;
  std::uint32_t keep_checkpoints = 2;

  DistillObjective objective;
  AugmentationSettings augmentation;
  OptimizerSettings optimizer;
  ScheduleSettings schedule;  // its total_steps: `steps` where it does not say
};

// Reads the document's tables over the defaults and validates; errors name the file and the key.
[[nodiscard]] Result<DistillSettings> read_distill_settings(const TomlDocument& document);

// What shapes the course of a run, in words: a checkpoint resumes only under the same.
[[nodiscard]] std::string describe_course(const DistillSettings& settings);

}  // namespace bitmar
