// Scores the items of a task on several threads. Each has a read-only session of its own, so that the scores depend
// neither on their number nor on the order in which items are taken.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "base/result.h"
#include "eval/images/image_source.h"
#include "eval/scoring/continuation_scorer.h"
#include "eval/tasks/choice_set.h"
#include "runtime/engine.h"

namespace bitmar {

struct ChoiceRun {
  std::size_t threads = 1;
  bool memory = true;
  StartToken start = StartToken::kEmptyContext;
  const ImageSource* images = nullptr;  // of the items; null: they are scored without
};

using ItemScores = std::vector<ContinuationScore>;  // one a choice

// Called with the scores of the next items, in the items' order, one call at a time; an error ends the run.
using ScoresSink = std::function<Result<void>(std::span<const ItemScores>)>;

// One entry an item. An error names the item.
[[nodiscard]] Result<std::vector<ItemScores>> score_items(const std::shared_ptr<const Engine>& engine,
                                                          std::span<const ChoiceItem> items, const ChoiceRun& run,
                                                          const ScoresSink& sink);

}  // namespace bitmar
