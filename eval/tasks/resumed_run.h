// Scores the items of a task and keeps their scores as predictions, going on where an earlier run stopped.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "base/result.h"
#include "eval/tasks/choice_run.h"
#include "eval/tasks/prediction_binding.h"
#include "eval/tasks/task.h"

namespace bitmar {

// score_items(), but for the items whose scores TaskContext::predictions has; binding and advance as in measure_kept().
[[nodiscard]] Result<std::vector<ItemScores>> score_resumed(const TaskContext& context,
                                                            std::span<const ChoiceItem> items, const ChoiceRun& run,
                                                            const std::optional<PredictionBinding>& binding,
                                                            const std::function<void(std::size_t)>& advance);

}  // namespace bitmar
