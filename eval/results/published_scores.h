// What other papers report, to stand beside a run's scores.
//
// The ternary and 1-bit models are the baselines of BitMar's Table 1; their scores, in percent, are those of the BitNet
// b1.58 2B4T report (Ma et al. 2025, arXiv 2504.12285, Table 3), whose average over eleven tasks they reproduce to its
// rounding: that checks a model's scores together. The rows of MMLU and CommonsenseQA were compared one by one with a
// copy of the table. Each model was scored there by its own prompts, with lm-evaluation-harness.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <string_view>

namespace bitmar {

// The tasks of the table, by their names here.
inline constexpr std::array<std::string_view, 8> kPublishedTasks = {
    "arc_easy", "boolq", "hellaswag", "piqa", "winogrande", "commonsense_qa", "mmlu", "blimp"};

struct PublishedModel {
  std::string_view name;
  std::array<std::optional<double>, kPublishedTasks.size()> scores;  // percent; absent: not reported, or not known here
};

[[nodiscard]] std::span<const PublishedModel> published_models();

}  // namespace bitmar
