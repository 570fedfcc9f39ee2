// From the scores of a task's items to the numbers that are shown.
#pragma once

#include <cstdint>
#include <span>

#include "eval/tasks/choice_run.h"
#include "eval/tasks/choice_set.h"
#include "eval/tasks/task.h"

namespace bitmar {

struct ChoiceCounting {
  bool shuffled = true;  // ChoiceTask's
  bool mean_of_parts = false;
  bool majority_of_parts = false;
  std::uint64_t seed = 1;
};

// Groups of the result: the whole set, then every group of it. Items with a human ratio are counted into a rank
// correlation, as the BabyLM pipeline does; the others into accuracies. Not of an empty set.
[[nodiscard]] TaskResult count_choices(const ChoiceSet& set, std::span<const ItemScores> scores,
                                       const ChoiceCounting& counting);

}  // namespace bitmar
