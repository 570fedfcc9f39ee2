// The general benchmarks, with the prompts of lm-evaluation-harness 0.4 (EleutherAI), zero-shot unless the name says
// otherwise; files in the hub's JSON Lines.
#pragma once

#include <string_view>

#include "base/result.h"
#include "eval/tasks/task.h"

namespace bitmar {

inline constexpr std::string_view kArcEasyFiles = "arc_easy/validation.jsonl|arc_easy/test.jsonl";
inline constexpr std::string_view kBoolqFiles = "boolq/validation.jsonl";
inline constexpr std::string_view kHellaswagFiles = "hellaswag/validation.jsonl";
inline constexpr std::string_view kWinograndeFiles = "winogrande/validation.jsonl";
inline constexpr std::string_view kCommonsenseQaFiles = "commonsense_qa/validation.jsonl";
inline constexpr std::string_view kMmluFiles = "mmlu/test.jsonl";
inline constexpr std::string_view kMmluFewShotFiles = "mmlu/test.jsonl+dev.jsonl";
inline constexpr std::string_view kPiqaFiles = "piqa/validation.jsonl";

[[nodiscard]] Result<TaskResult> run_arc_easy(const TaskContext& context);
[[nodiscard]] Result<TaskResult> run_boolq(const TaskContext& context);
[[nodiscard]] Result<TaskResult> run_hellaswag(const TaskContext& context);
[[nodiscard]] Result<TaskResult> run_winogrande(const TaskContext& context);
[[nodiscard]] Result<TaskResult> run_commonsense_qa(const TaskContext& context);
[[nodiscard]] Result<TaskResult> run_mmlu(const TaskContext& context);
[[nodiscard]] Result<TaskResult> run_mmlu_5_shot(const TaskContext& context);
[[nodiscard]] Result<TaskResult> run_piqa(const TaskContext& context);

}  // namespace bitmar
