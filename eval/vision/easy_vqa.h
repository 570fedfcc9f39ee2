// easy-VQA (Zhou 2019): questions about synthetic pictures of one shape. Every tenth picture, whose number ends in 0,
// is held out for this task; training may use the others.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "eval/tasks/choice_set.h"
#include "eval/tasks/task.h"

namespace bitmar {

// [[question, answer, picture], …], the pictures in images/ beside it: 0.png, 1.png, … (or features.npy).
inline constexpr std::string_view kEasyVqaFiles = "easy_vqa/questions.json";

// Whether a picture is held out from training.
[[nodiscard]] constexpr bool is_held_out_easy_vqa(std::uint64_t picture) {
  return picture % 10 == 0;
}

// The questions about held-out pictures, after "Question: … Answer:", each with all 13 answers that the file has, in
// alphabetic order. Parts are the kinds of questions, by their answers: yes or no, color, shape. Errors name the entry.
[[nodiscard]] Result<ChoiceSet> read_easy_vqa(const std::string& path);

[[nodiscard]] Result<TaskResult> run_easy_vqa(const TaskContext& context);

}  // namespace bitmar
