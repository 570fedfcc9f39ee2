// A pre-training run: the tables [model], [data], [optimizer], [schedule], [controller], [objective] and [train] of a
// configuration. docs/training.md lists the keys.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "config/autocast_mode.h"
#include "config/sections.h"
#include "config/toml_reader.h"
#include "data/settings.h"
#include "model/schema/config.h"
#include "optim/controller.h"
#include "optim/schedule.h"

namespace bitmar {

// [objective]: L = L_LM + contrast * L_NCE + memory * L_mem; for captions that the model drew, reward * L_reward in
// place of the first two.
struct ObjectiveSettings {
  double contrast = 1.5;
  double memory = 0.1;
  double reward = 1.0;
  std::uint32_t chunk_tokens = 256;
  // The sampled vocabulary: the corpus' most frequent tokens, the step's targets and random others. 0: the full one.
  std::uint64_t sampled_core = 0;
  std::uint64_t sampled_negatives = 1024;
};

// [train]
struct TrainSettings {
  std::string run;        // the run's folder: checkpoints/, log/, config.toml
  std::string init_from;  // weights and memory to start from: a run's folder, a checkpoint or a model file
  std::uint64_t seed = 1;
  std::uint64_t steps = 1000;
  double minutes = 0;  // also stop after this much training time; 0: only by steps
  std::uint32_t accumulation = 1;
  double vision_dropout = 0.1;
  double scale_learning_rate = 0.1;      // of the ternary scales, as a share of the others'
  // Of the memory's beta, likewise: a step moves it by about the rate, and it has tens to go.
  double sharpness_learning_rate = 1.0;
  bool checkpoint_activations = false;
  Autocast autocast = Autocast::kOff;
  std::string device = "cpu";
  std::uint32_t threads = 0;  // 0: torch's choice
  std::uint64_t log_every = 10;
  std::uint64_t diagnostics_every = 500;
  std::uint64_t evaluate_every = 500;
  std::uint64_t evaluate_batches = 16;  // per validation stream; 0: all
  std::uint32_t caption_samples = 4;    // shown per validation stream with photos
  std::uint32_t caption_photos = 0;     // captioned greedily there for a CIDEr; 0: none
  std::uint64_t checkpoint_every = 500;
  std::uint32_t keep_checkpoints = 2;
};

struct PretrainSettings {
  ModelConfig model;
  DataSettings data;
  OptimizerSettings optimizer;
  ScheduleSettings schedule;
  ControllerSettings controller;
  ObjectiveSettings objective;
  TrainSettings train;
  std::string text;  // the configuration itself, overrides included
};

// Reads and validates every table; the first error names file, line and key.
[[nodiscard]] Result<PretrainSettings> read_pretrain_settings(const TomlDocument& document);

}  // namespace bitmar
