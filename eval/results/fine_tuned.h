// The scores of fine-tuned copies of a model, as `bitmar-train finetune` leaves them: <folder>/results.json, and
// <folder>/<task>/predictions.jsonl with an answer an item.
//
//   BITMAR_TRY(const FineTuned scores, read_fine_tuned({"runs/finetune", "runs/finetune-off"}));
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "eval/tasks/task.h"

namespace bitmar {

struct FineTuned {
  std::string checkpoint;            // what was fine-tuned
  std::uint64_t step = 0;            // its training step
  std::string settings;              // in words
  std::vector<TaskResult> tasks;     // a task's one part is its last epoch, without choosing an epoch
  std::vector<TaskResult> ablation;  // the same without memory
};

// One or two folders: as the model is, and without its memory, in any order; each says which it is. Tasks that are
// quoted by accuracy or F1 get their items' values. kInvalidArgument: two of one kind, or not of the same weights,
// settings and items; kInvalidFile: not what finetune writes, or predictions that do not give the score.
[[nodiscard]] Result<FineTuned> read_fine_tuned(const std::vector<std::string>& folders);

}  // namespace bitmar
