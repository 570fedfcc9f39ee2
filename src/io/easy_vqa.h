// easy-VQA's questions (Zhou 2019), as training reads them and evaluation asks them.
//
//   BITMAR_TRY(const auto questions, read_easy_vqa_questions("easy_vqa/questions.json"));
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace bitmar {

struct EasyVqaQuestion {
  std::string question;
  std::string answer;
  std::uint64_t picture = 0;
};

// [[question, answer, picture's number], …], in the file's order. kInvalidFile names file and entry.
[[nodiscard]] Result<std::vector<EasyVqaQuestion>> read_easy_vqa_questions(const std::string& path);

// "12.png"
[[nodiscard]] std::string easy_vqa_picture(std::uint64_t number);
// What an answer follows, after a blank: "Question: … Answer:"
[[nodiscard]] std::string easy_vqa_prompt(std::string_view question);

}  // namespace bitmar
