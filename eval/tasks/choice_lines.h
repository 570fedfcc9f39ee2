// The line that is kept of an item with choices: what the BabyLM pipeline keeps of it, and all that was computed.
#pragma once

#include <span>

#include "eval/tasks/choice_run.h"
#include "eval/tasks/choice_set.h"
#include "eval/tasks/kept_items.h"

namespace bitmar {

// The items outlive it.
[[nodiscard]] KeptFormat<ItemScores> choice_lines(std::span<const ChoiceItem> items);

}  // namespace bitmar
