// Scores the items of a task on several threads. Each has a read-only session of its own, so that the scores depend
// neither on their number nor on the order in which items are taken.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "base/result.h"
#include "eval/images/image_source.h"
#include "eval/parallel/measure_in_order.h"
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

// One entry an item. An error names the item.
[[nodiscard]] Result<std::vector<ItemScores>> score_items(const std::shared_ptr<const Engine>& engine,
                                                          std::span<const ChoiceItem> items, const ChoiceRun& run,
                                                          const ValueSink<ItemScores>& sink);

}  // namespace bitmar
