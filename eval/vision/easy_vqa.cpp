#include "eval/vision/easy_vqa.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <set>
#include <vector>

#include "eval/tasks/choice_task.h"
#include "io/easy_vqa.h"

namespace bitmar {
namespace {

std::string_view kind_of(std::string_view answer) {
  constexpr std::array<std::string_view, 3> kShapes = {"circle", "rectangle", "triangle"};
  if (answer == "yes" || answer == "no") return "yes or no";
  return std::ranges::find(kShapes, answer) != kShapes.end() ? "shape" : "color";
}

}  // namespace

Result<ChoiceSet> read_easy_vqa(const std::string& path) {
  BITMAR_TRY(const auto questions, read_easy_vqa_questions(path));
  std::set<std::string> distinct;
  for (const EasyVqaQuestion& question : questions) distinct.insert(question.answer);
  const std::vector<std::string> answers(distinct.begin(), distinct.end());
  ChoiceSet set;
  set.files = {path};
  for (std::size_t i = 0; i < questions.size(); ++i) {
    const auto& [question, answer, picture] = questions[i];
    if (!is_held_out_easy_vqa(picture)) continue;
    ChoiceItem item;
    item.id = fmt::format("easy_vqa_{}", i);
    for (const std::string& choice : answers) item.choices.push_back({easy_vqa_prompt(question), " " + choice});
    item.gold = static_cast<std::size_t>(std::distance(answers.begin(), std::ranges::find(answers, answer)));
    item.groups = {set.group(std::string(kind_of(answer)))};
    item.images = {easy_vqa_picture(picture)};
    set.items.push_back(std::move(item));
  }
  if (set.items.empty()) {
    return fail(ErrorCode::kInvalidFile, "{}: asks nothing about a held-out picture, whose number ends in 0", path);
  }
  return set;
}

Result<TaskResult> run_easy_vqa(const TaskContext& context) {
  return run_choice_task(context, {.name = "easy_vqa",
                                   .files = kEasyVqaFiles,
                                   .read = read_easy_vqa,
                                   .majority_of_parts = true,
                                   .always_start = true,
                                   .images = true});
}

}  // namespace bitmar
