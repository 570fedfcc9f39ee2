#include "eval/vision/easy_vqa.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <nlohmann/json.hpp>
#include <set>
#include <vector>

#include "eval/tasks/choice_task.h"
#include "io/lines.h"
#include "io/mapped_file.h"

namespace bitmar {
namespace {

std::string_view kind_of(std::string_view answer) {
  constexpr std::array<std::string_view, 3> kShapes = {"circle", "rectangle", "triangle"};
  if (answer == "yes" || answer == "no") return "yes or no";
  return std::ranges::find(kShapes, answer) != kShapes.end() ? "shape" : "color";
}

}  // namespace

Result<ChoiceSet> read_easy_vqa(const std::string& path) {
  BITMAR_TRY(const MappedFile file, MappedFile::open(path));
  const auto json = nlohmann::json::parse(as_text(file.bytes()), nullptr, false);
  if (!json.is_array()) return fail(ErrorCode::kInvalidFile, "{}: expected a JSON array of questions", path);
  std::set<std::string> distinct;
  for (std::size_t i = 0; i < json.size(); ++i) {
    const auto& entry = json[i];
    if (!entry.is_array() || entry.size() != 3 || !entry[0].is_string() || !entry[1].is_string() ||
        !entry[2].is_number_unsigned()) {
      return fail(ErrorCode::kInvalidFile, "{}: entry {}: expected [question, answer, picture's number]", path, i);
    }
    distinct.insert(entry[1].get<std::string>());
  }
  const std::vector<std::string> answers(distinct.begin(), distinct.end());
  ChoiceSet set;
  set.files = {path};
  for (std::size_t i = 0; i < json.size(); ++i) {
    const auto picture = json[i][2].get<std::uint64_t>();
    if (!is_held_out_easy_vqa(picture)) continue;
    const auto question = json[i][0].get<std::string>();
    const auto answer = json[i][1].get<std::string>();
    ChoiceItem item;
    item.id = fmt::format("easy_vqa_{}", i);
    for (const std::string& choice : answers) {
      item.choices.push_back({fmt::format("Question: {} Answer:", question), " " + choice});
    }
    item.gold = static_cast<std::size_t>(std::distance(answers.begin(), std::ranges::find(answers, answer)));
    item.groups = {set.group(std::string(kind_of(answer)))};
    item.images = {fmt::format("{}.png", picture)};
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
