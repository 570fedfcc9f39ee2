#include "io/easy_vqa.h"

#include <nlohmann/json.hpp>

#include "io/lines.h"
#include "io/mapped_file.h"

namespace bitmar {

Result<std::vector<EasyVqaQuestion>> read_easy_vqa_questions(const std::string& path) {
  BITMAR_TRY(const MappedFile file, MappedFile::open(path));
  const auto json = nlohmann::json::parse(as_text(file.bytes()), nullptr, false);
  if (!json.is_array()) return fail(ErrorCode::kInvalidFile, "{}: expected a JSON array of questions", path);
  std::vector<EasyVqaQuestion> questions;
  for (const auto& entry : json) {
    if (!entry.is_array() || entry.size() != 3 || !entry[0].is_string() || !entry[1].is_string() ||
        !entry[2].is_number_unsigned()) {
      return fail(ErrorCode::kInvalidFile, "{}: entry {}: expected [question, answer, picture's number]", path,
                  questions.size());
    }
    questions.push_back(
        {entry[0].get<std::string>(), entry[1].get<std::string>(), entry[2].get<std::uint64_t>()});
  }
  return questions;
}

std::string easy_vqa_picture(std::uint64_t number) {
  return fmt::format("{}.png", number);
}

std::string easy_vqa_prompt(std::string_view question) {
  return fmt::format("Question: {} Answer:", question);
}

}  // namespace bitmar
