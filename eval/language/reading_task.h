// How well the model's surprisal predicts how long people read (De Varda et al. 2023), as the BabyLM-2025 evaluation
// pipeline computes it: words in their sentences with eye-tracking and self-paced reading times. Two nested regressions
// of each reading time, without and with the word's surprisal; the score is the share of the variance that the first
// leaves which the second explains, in percent. The first has length, log frequency and position of the word, and for
// self-paced reading the previous word's length and surprisal (spillover), with all their products.
#pragma once

#include <string_view>

#include "base/result.h"
#include "eval/tasks/task.h"

namespace bitmar {

inline constexpr std::string_view kReadingFiles =
    "babylm/reading/reading_data.csv|full_eval/reading/reading_data.csv|fast_eval/reading/reading_data.csv|"
    "reading/reading_data.csv";

// A word's surprisal is that of " word" after <|endoftext|> and the sentence before it. (The pipeline takes "word"
// without the blank, for tokenizers that add one themselves; GPT-2's does not.) Chance is what a random predictor
// gains.
//
// TaskContext::predictions gets reading.jsonl, a line a row: the surprisals of the word ("pred") and of the word before
// it ("prev_pred"; null where there is none), as the pipeline names them.
[[nodiscard]] Result<TaskResult> run_reading(const TaskContext& context);

}  // namespace bitmar
