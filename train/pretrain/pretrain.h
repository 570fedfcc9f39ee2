// The training loop: mixture in, checkpoints and log out, exactly resumable.
//
//   BITMAR_TRY(const PretrainReport report, pretrain(settings, {.resume = true}));
//
// Several processes train together where they share a communicator; the curve is that of one. Rank 0 alone writes.
#pragma once

#include <cstdint>
#include <cstdio>
#include <optional>

#include "base/log.h"
#include "base/result.h"
#include "parallel/communicator.h"
#include "pretrain/settings.h"

namespace bitmar {

struct PretrainOptions {
  bool resume = false;                      // continue from the run's newest checkpoint; without one, start
  std::FILE* progress = nullptr;            // where the progress line goes; null: nowhere
  LogSink messages;                         // evaluations, interventions, resumption
  std::optional<std::uint64_t> stop_after;  // leave after this step without finishing, as a kill between steps would
  Communicator* communicator = nullptr;     // null: one process
};

struct PretrainReport {
  std::uint64_t steps = 0;  // done in all
  double loss = 0;          // L_LM of the last step
};

// The run's folder receives config.toml, checkpoints/ and log/. Errors: bad settings, missing data, a checkpoint of
// another model, a run's folder that has checkpoints although `resume` is not set, fewer batches a step than processes.
// What is wrong at the start with any process is an error of all (Communicator::failed_together).
[[nodiscard]] Result<PretrainReport> pretrain(const PretrainSettings& settings, const PretrainOptions& options);

}  // namespace bitmar
