// The items of the general benchmarks from the hub's JSON Lines, with the prompts of lm-evaluation-harness 0.4. Errors
// name file, line and field.
#pragma once

#include <cstddef>
#include <string>

#include "base/result.h"
#include "eval/tasks/choice_set.h"

namespace bitmar {

[[nodiscard]] Result<ChoiceSet> read_arc_easy(const std::string& path);
[[nodiscard]] Result<ChoiceSet> read_boolq(const std::string& path);
// As published (activity_label, ctx_a, ctx_b), or with the context already joined and cleaned (ctx).
[[nodiscard]] Result<ChoiceSet> read_hellaswag(const std::string& path);
// Partial scoring (Trinh & Le 2018): what follows the blank is scored after each way to fill it.
[[nodiscard]] Result<ChoiceSet> read_winogrande(const std::string& path);
[[nodiscard]] Result<ChoiceSet> read_commonsense_qa(const std::string& path);
[[nodiscard]] Result<ChoiceSet> read_piqa(const std::string& path);
// The worked examples are the first `shots` lines of each subject in dev.jsonl beside `path`.
[[nodiscard]] Result<ChoiceSet> read_mmlu(const std::string& path, std::size_t shots);

}  // namespace bitmar
