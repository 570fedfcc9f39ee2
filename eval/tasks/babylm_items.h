// The items of the BabyLM-2025 pipeline's zero-shot tasks from its folders of JSON Lines; each item's part is what the
// pipeline averages over. Errors name file, line and field.
#pragma once

#include <string>

#include "base/result.h"
#include "eval/tasks/choice_set.h"

namespace bitmar {

// BLiMP (Warstadt et al. 2020) and BabyLM's supplement: which of two sentences is more probable.
[[nodiscard]] Result<ChoiceSet> read_sentence_pairs(const std::string& folder);
// EWoK (Ivanova et al. 2024), as the pipeline reads it: the target that suits the first context, and the one that does
// not, after it. (The authors compare the same target after both contexts.)
[[nodiscard]] Result<ChoiceSet> read_ewok(const std::string& folder);
// Kim & Schuster 2023: what a box holds after some operations; the first option is right.
[[nodiscard]] Result<ChoiceSet> read_entity_tracking(const std::string& folder);
// COMPS (Misra et al. 2023): the same property of a concept that has it and of one that has not.
[[nodiscard]] Result<ChoiceSet> read_comps(const std::string& folder);
// Words that do not exist (Hofmann et al. 2024; Weissweiler et al. 2023): whole sentences, and the share of people who
// chose the first.
[[nodiscard]] Result<ChoiceSet> read_wug(const std::string& folder);

}  // namespace bitmar
