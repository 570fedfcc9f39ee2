// The classification tasks of the BabyLM 2025 evaluation pipeline (its filtered GLUE and SuperGLUE sets), with what the
// pipeline fixes of each: how an item becomes a pair of texts, the batch, the epochs and the score that chooses the
// epoch.
//
//   BITMAR_TRY(const ClassificationTask task, find_classification_task("rte"));
//   const std::string path = classification_file(data, task, "train");
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace bitmar {

enum class ClassificationMetric { kAccuracy, kF1 };

struct ClassificationTask {
  std::string_view name;
  // The two texts of an item; "{field}" stands for a string of the JSON object.
  std::string_view first, second;
  std::uint32_t classes = 2;
  std::uint32_t batch = 32;
  std::uint32_t epochs = 10;
  ClassificationMetric metric = ClassificationMetric::kAccuracy;  // chooses the epoch, and is quoted
};

// BoolQ, MNLI, MRPC, MultiRC, QQP, RTE, WSC.
[[nodiscard]] std::span<const ClassificationTask> classification_tasks();
// kNotFound lists the names.
[[nodiscard]] Result<ClassificationTask> find_classification_task(std::string_view name);
// "DATA/babylm/glue_filtered/TASK.PART.jsonl", or where only that is there the same below a folder `eval` in DATA, as
// `bitmar eval` looks for its files; `part` is "train" or "valid".
[[nodiscard]] std::string classification_file(std::string_view data, const ClassificationTask& task,
                                              std::string_view part);

}  // namespace bitmar
