// The zero-shot tasks of the BabyLM-2025 evaluation pipeline: folders of JSON Lines in its layout, scored as it scores
// causal models. Every text begins with <|endoftext|>.
#pragma once

#include <string_view>

#include "base/result.h"
#include "eval/tasks/task.h"

namespace bitmar {

inline constexpr std::string_view kBlimpFiles = "babylm/blimp_filtered|full_eval/blimp_filtered|blimp_filtered|blimp";
inline constexpr std::string_view kBlimpFastFiles = "babylm/blimp_fast|fast_eval/blimp_fast|blimp_fast";
inline constexpr std::string_view kSupplementFiles =
    "babylm/supplement_filtered|full_eval/supplement_filtered|supplement_filtered";
inline constexpr std::string_view kSupplementFastFiles =
    "babylm/supplement_fast|fast_eval/supplement_fast|supplement_fast";
inline constexpr std::string_view kEwokFiles = "babylm/ewok_filtered|full_eval/ewok_filtered|ewok_filtered";
inline constexpr std::string_view kEwokFastFiles = "babylm/ewok_fast|fast_eval/ewok_fast|ewok_fast";
inline constexpr std::string_view kEntityTrackingFiles =
    "babylm/entity_tracking|full_eval/entity_tracking|entity_tracking";
inline constexpr std::string_view kEntityTrackingFastFiles =
    "babylm/entity_tracking_fast|fast_eval/entity_tracking_fast|entity_tracking_fast";
inline constexpr std::string_view kCompsFiles = "babylm/comps|full_eval/comps|comps";
inline constexpr std::string_view kWugAdjectiveFiles =
    "babylm/wug_adj_nominalization|full_eval/wug_adj_nominalization|fast_eval/wug_adj_nominalization|"
    "wug_adj_nominalization";
inline constexpr std::string_view kWugPastTenseFiles =
    "babylm/wug_past_tense|full_eval/wug_past_tense|fast_eval/wug_past_tense|wug_past_tense";

[[nodiscard]] Result<TaskResult> run_blimp(const TaskContext& context);
[[nodiscard]] Result<TaskResult> run_blimp_fast(const TaskContext& context);
[[nodiscard]] Result<TaskResult> run_supplement(const TaskContext& context);
[[nodiscard]] Result<TaskResult> run_supplement_fast(const TaskContext& context);
[[nodiscard]] Result<TaskResult> run_ewok(const TaskContext& context);
[[nodiscard]] Result<TaskResult> run_ewok_fast(const TaskContext& context);
[[nodiscard]] Result<TaskResult> run_entity_tracking(const TaskContext& context);
[[nodiscard]] Result<TaskResult> run_entity_tracking_fast(const TaskContext& context);
[[nodiscard]] Result<TaskResult> run_comps(const TaskContext& context);
[[nodiscard]] Result<TaskResult> run_wug_adj_nominalization(const TaskContext& context);
[[nodiscard]] Result<TaskResult> run_wug_past_tense(const TaskContext& context);

}  // namespace bitmar
