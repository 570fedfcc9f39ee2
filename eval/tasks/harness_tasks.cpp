#include "eval/tasks/harness_tasks.h"

#include "eval/tasks/choice_task.h"
#include "eval/tasks/harness_items.h"

namespace bitmar {

Result<TaskResult> run_arc_easy(const TaskContext& context) {
  return run_choice_task(context, {.name = "arc_easy", .files = kArcEasyFiles, .read = read_arc_easy});
}

Result<TaskResult> run_boolq(const TaskContext& context) {
  return run_choice_task(context, {.name = "boolq", .files = kBoolqFiles, .read = read_boolq});
}

Result<TaskResult> run_hellaswag(const TaskContext& context) {
  return run_choice_task(context, {.name = "hellaswag", .files = kHellaswagFiles, .read = read_hellaswag});
}

Result<TaskResult> run_winogrande(const TaskContext& context) {
  return run_choice_task(context, {.name = "winogrande", .files = kWinograndeFiles, .read = read_winogrande});
}

Result<TaskResult> run_commonsense_qa(const TaskContext& context) {
  return run_choice_task(context,
                         {.name = "commonsense_qa", .files = kCommonsenseQaFiles, .read = read_commonsense_qa});
}

Result<TaskResult> run_mmlu(const TaskContext& context) {
  const auto read = [](const std::string& path) { return read_mmlu(path, 0); };
  return run_choice_task(context, {.name = "mmlu", .files = kMmluFiles, .read = read});
}

Result<TaskResult> run_mmlu_5_shot(const TaskContext& context) {
  const auto read = [](const std::string& path) { return read_mmlu(path, 5); };
  return run_choice_task(context, {.name = "mmlu_5_shot", .files = kMmluFewShotFiles, .read = read});
}

Result<TaskResult> run_piqa(const TaskContext& context) {
  return run_choice_task(context, {.name = "piqa", .files = kPiqaFiles, .read = read_piqa});
}

}  // namespace bitmar
