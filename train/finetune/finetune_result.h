// What a fine-tuning is stored as. The evaluator's result page reads the same JSON (eval/results/fine_tuned.h); it
// passes over the keys of a task that only fine-tuning has.
//
//   {"task": "finetune-rte", "seconds": 300.0, "total": {"items": 139, "ties": 0, "scores": [{"metric": "accuracy",
//    "value": 0.55, "interval": [0.47, 0.63], "chance": 0.5, "majority": 0.53}, …]}, "parts": [{"name": "last epoch",
//    …}], "training_items": 2490, "epochs": 10, "best_epoch": 4, "course": "…"}
//
// "majority" is the best that one constant answer reaches.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "finetune/classification_scores.h"

namespace bitmar {

struct FineTuneResult {
  std::string task;  // "finetune-rte"
  std::uint64_t items = 0;
  std::vector<ClassificationScore> scores;       // of the best epoch, the quoted one first
  std::vector<ClassificationScore> last_scores;  // of the last
  double seconds = 0;
  std::uint64_t training_items = 0;
  std::uint64_t epochs = 0;
  std::uint64_t best_epoch = 0;  // from 1
  std::string course;            // all that the result depends on
};

// One task's file.
[[nodiscard]] Result<void> write_finetune_result(const std::string& path, const FineTuneResult& result);
// Nothing where the file is not there; kInvalidFile where it is no result.
[[nodiscard]] Result<std::optional<FineTuneResult>> read_finetune_result(const std::string& path);
// What was fine-tuned.
struct FineTuneBase {
  std::string checkpoint;  // as it was given
  std::uint64_t step = 0;
  std::string weights;   // their fingerprint
  std::string settings;  // in words
  bool memory = true;
};

// All tasks: {"model": {"checkpoint": …, "step": …, "weights": …, "settings": …, "memory": …}, "tasks": [one object a
// task]}.
[[nodiscard]] Result<void> write_finetune_results(const std::string& path, const FineTuneBase& base,
                                                  std::span<const FineTuneResult> results);

// A line an item: {"id": "rte_0", "gold": 1, "pred": 0}; the pipeline's ids and predictions.
[[nodiscard]] Result<void> write_predictions(const std::string& path, std::string_view task,
                                             std::span<const std::uint32_t> gold,
                                             std::span<const std::uint32_t> predictions);

}  // namespace bitmar
