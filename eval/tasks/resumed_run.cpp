#include "eval/tasks/resumed_run.h"

#include "eval/tasks/choice_lines.h"
#include "eval/tasks/kept_items.h"

namespace bitmar {

Result<std::vector<ItemScores>> score_resumed(const TaskContext& context, std::span<const ChoiceItem> items,
                                              const ChoiceRun& run, const std::optional<PredictionBinding>& binding,
                                              const std::function<void(std::size_t)>& advance) {
  const auto score = [&](std::size_t first, const ValueSink<ItemScores>& sink) {
    return score_items(context.engine, items.subspan(first), run, sink);
  };
  return measure_kept<ItemScores>(context, binding, items.size(), choice_lines(items), score, advance);
}

}  // namespace bitmar
