#include "eval/tasks/resumed_run.h"

#include <utility>

#include "eval/tasks/prediction_file.h"

namespace bitmar {

Result<std::vector<ItemScores>> score_resumed(const TaskContext& context, std::span<const ChoiceItem> items,
                                              const ChoiceRun& run, const std::optional<PredictionBinding>& binding,
                                              const std::function<void(std::size_t)>& advance) {
  std::optional<PredictionFile> predictions;
  std::vector<ItemScores> scores;
  if (binding) {
    BITMAR_TRY(PredictionFile opened, PredictionFile::open(context.predictions, *binding, items));
    predictions.emplace(std::move(opened));
    scores = predictions->finished();
  }
  advance(scores.size());
  const auto sink = [&](std::span<const ItemScores> next) -> Result<void> {
    if (predictions) {
      BITMAR_TRY_VOID(predictions->append(next));
    }
    advance(next.size());
    return {};
  };
  BITMAR_TRY(std::vector<ItemScores> rest, score_items(context.engine, items.subspan(scores.size()), run, sink));
  if (predictions) {
    BITMAR_TRY_VOID(predictions->finish());
  }
  for (ItemScores& of_item : rest) scores.push_back(std::move(of_item));
  return scores;
}

}  // namespace bitmar
