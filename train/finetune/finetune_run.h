// Fine-tunes a pre-trained model on classification tasks, each from the same weights, in a folder a task:
// <output>/<task>/{result.json, predictions.jsonl, log/}, and <output>/results.json for all of them. A task that was
// finished under the same settings is not run again; one that was interrupted goes on at its checkpoint.
//
//   BITMAR_TRY(const auto results, finetune(classification_tasks(), {.checkpoint = "runs/a", .data = "data", …}));
#pragma once

#include <cstdint>
#include <cstdio>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/result.h"
#include "finetune/classification_task.h"
#include "finetune/finetune_result.h"
#include "finetune/settings.h"

namespace bitmar {

struct FineTuneOptions {
  std::string checkpoint;  // a run's folder (its newest checkpoint) or one checkpoint
  std::string data;        // the folder above babylm/glue_filtered or eval/babylm/glue_filtered
  std::string merges;      // GPT-2's merges.txt
  std::string output;
  FineTuneSettings settings;
  std::uint32_t threads = 0;                // 0: torch's choice
  double checkpoint_minutes = 5.0;          // and after every epoch
  std::FILE* progress = nullptr;            // where the progress line goes
  LogSink messages;                         // an epoch's scores; may be empty
  std::optional<std::uint64_t> stop_after;  // of a task's steps: ends there as if killed (tests)
};

// The results in the tasks' order. All files are read before the first task starts. Errors: files that are missing or
// malformed; kInvalidArgument where <output>/<task> holds the result or the checkpoint of other settings.
[[nodiscard]] Result<std::vector<FineTuneResult>> finetune(std::span<const ClassificationTask> tasks,
                                                           const FineTuneOptions& options);

}  // namespace bitmar
