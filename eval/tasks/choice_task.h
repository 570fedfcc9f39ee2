// A multiple-choice task: its items are scored on all cores and counted into a TaskResult. Where they have images, they
// are scored again without and with another item's, as controls.
//
//   return run_choice_task(context, {.name = "piqa", .files = kPiqaFiles, .read = read_piqa});
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "eval/tasks/choice_set.h"
#include "eval/tasks/task.h"

namespace bitmar {

struct ChoiceTask {
  std::string_view name;
  std::string_view files;                              // find_task_files()
  Result<ChoiceSet> (*read)(const std::string& path);  // of the file or folder found
  // Whether the answers stand in a random order, so that always naming the most frequent place is a strategy; not where
  // the right one always comes first.
  bool shuffled = true;
  // The score to quote is the mean over the parts (the BabyLM pipeline); else over the items.
  bool mean_of_parts = false;
  bool majority_of_parts = false;  // an item's most frequent place is that of its own part
  bool always_start = false;       // whatever TaskContext::start is, <|endoftext|> comes first
  bool images = false;             // the items have images: find_images() in the folder found, or the file's folder
};

// Errors name the file and line, or the item.
[[nodiscard]] Result<TaskResult> run_choice_task(const TaskContext& context, const ChoiceTask& task);

}  // namespace bitmar
