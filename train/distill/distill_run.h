// A distillation run in its folder: loads, resumes, trains, logs, saves.
#pragma once

#include <cstdio>

#include "base/log.h"
#include "base/result.h"
#include "distill/settings.h"

namespace bitmar {

struct DistillRunOptions {
  bool resume = false;            // continue from the folder's newest checkpoint; without, the folder must have none
  std::FILE* progress = nullptr;  // where the progress line goes
  LogSink messages;               // evaluations and checkpoints; may be empty
};

// Returns the mean-centred cosine on the validation photos at the end.
[[nodiscard]] Result<double> run_distillation(const DistillSettings& settings, const DistillRunOptions& options);

}  // namespace bitmar
