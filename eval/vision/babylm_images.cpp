#include "eval/vision/babylm_images.h"

#include <filesystem>
#include <limits>
#include <vector>

#include "eval/tasks/choice_task.h"
#include "eval/tasks/csv_table.h"
#include "eval/tasks/json_lines.h"
#include "eval/tasks/task_files.h"

namespace bitmar {
namespace {

constexpr std::size_t kAnyIndex = std::numeric_limits<std::size_t>::max();

using ReadItem = Result<void> (*)(const JsonRecord& record, ChoiceSet& set, ChoiceItem& item);

Result<ChoiceSet> read_folder(const std::string& folder, std::string_view name, ReadItem read) {
  ChoiceSet set;
  BITMAR_TRY(set.files, list_json_lines(folder));
  for (const std::string& path : set.files) {
    BITMAR_TRY_VOID(read_json_lines(path, [&](const JsonRecord& record) -> Result<void> {
      ChoiceItem item;
      item.id = fmt::format("{}_{}", name, set.items.size());
      BITMAR_TRY_VOID(read(record, set, item));
      set.items.push_back(std::move(item));
      return {};
    }));
  }
  return set;
}

Result<void> read_winoground_item(const JsonRecord& record, ChoiceSet& set, ChoiceItem& item) {
  for (const char* field : {"caption_0", "caption_1"}) {
    BITMAR_TRY(std::string caption, record.text(field));
    if (caption.empty()) return record.error(field, "must not be empty");
    item.choices.push_back({"", std::move(caption)});
  }
  BITMAR_TRY(const std::size_t index, record.index("image_idx", kAnyIndex));
  BITMAR_TRY(const std::string key, record.text("image_key"));
  if (key != "image_0" && key != "image_1") return record.error("image_key", "must be image_0 or image_1");
  item.images = {fmt::format("ex_{}_img_{}.png", index, key.back())};
  if (record.has("collapsed_tag")) {
    BITMAR_TRY(const std::string tag, record.text("collapsed_tag"));
    item.groups = {set.group(tag)};
  }
  return {};
}

Result<void> read_vqa_item(const JsonRecord& record, ChoiceSet&, ChoiceItem& item) {
  BITMAR_TRY(const std::string question, record.text("question"));
  BITMAR_TRY(const std::string answer, record.text("target_ans"));
  BITMAR_TRY(const auto distractors, record.texts("distractors", 1));
  BITMAR_TRY(const std::size_t index, record.index("idx_in_hf_dataset", kAnyIndex));
  item.choices.push_back({question, " " + answer});
  for (const std::string& distractor : distractors) item.choices.push_back({question, " " + distractor});
  item.images = {fmt::format("{}", index)};
  return {};
}

Result<TaskResult> run(const TaskContext& context, std::string_view name, std::string_view files,
                       Result<ChoiceSet> (*read)(const std::string& folder)) {
  return run_choice_task(
      context, {.name = name, .files = files, .read = read, .shuffled = false, .always_start = true, .images = true});
}

}  // namespace

Result<ChoiceSet> read_winoground(const std::string& folder) {
  return read_folder(folder, "winoground", read_winoground_item);
}

Result<ChoiceSet> read_vqa(const std::string& folder) {
  return read_folder(folder, "vqa", read_vqa_item);
}

Result<ChoiceSet> read_devbench(const std::string& folder) {
  const std::string path = (std::filesystem::path(folder) / "manifest.csv").string();
  BITMAR_TRY(const CsvTable table, CsvTable::read(path));
  BITMAR_TRY(const std::size_t text, table.column("text1"));
  std::vector<std::size_t> images;
  for (std::size_t number = 1; table.has(fmt::format("image{}", number)); ++number) {
    BITMAR_TRY(images.emplace_back(), table.column(fmt::format("image{}", number)));
  }
  if (images.size() < 2) return fail(ErrorCode::kInvalidFile, "{}: expected columns image1, image2, … and text1", path);
  ChoiceSet set;
  set.files = {path};
  for (std::size_t row = 0; row < table.rows(); ++row) {
    ChoiceItem& item = set.items.emplace_back();
    item.id = fmt::format("trial_{}", row);
    for (const std::size_t image : images) {
      // The prompt is the pipeline's; every choice reads the same text.
      item.choices.push_back({"", fmt::format("The caption for this image is: {}.", table.text(row, text))});
      item.images.push_back(
          std::filesystem::path(table.text(row, image)).lexically_relative("images").generic_string());
    }
  }
  return set;
}

Result<TaskResult> run_winoground(const TaskContext& context) {
  return run(context, "winoground", kWinogroundFiles, read_winoground);
}

Result<TaskResult> run_vqa(const TaskContext& context) {
  return run(context, "vqa", kVqaFiles, read_vqa);
}

Result<TaskResult> run_devbench_vocabulary(const TaskContext& context) {
  return run(context, "devbench_vocabulary", kVocabularyFiles, read_devbench);
}

Result<TaskResult> run_devbench_grammar(const TaskContext& context) {
  return run(context, "devbench_grammar", kGrammarFiles, read_devbench);
}

}  // namespace bitmar
