#include "eval/tasks/babylm_tasks.h"

#include "eval/tasks/babylm_items.h"
#include "eval/tasks/choice_task.h"

namespace bitmar {
namespace {

Result<TaskResult> run(const TaskContext& context, std::string_view name, std::string_view files,
                       Result<ChoiceSet> (*read)(const std::string& folder)) {
  return run_choice_task(
      context,
      {.name = name, .files = files, .read = read, .shuffled = false, .mean_of_parts = true, .always_start = true});
}

}  // namespace

Result<TaskResult> run_blimp(const TaskContext& context) {
  return run(context, "blimp", kBlimpFiles, read_sentence_pairs);
}

Result<TaskResult> run_blimp_fast(const TaskContext& context) {
  return run(context, "blimp_fast", kBlimpFastFiles, read_sentence_pairs);
}

Result<TaskResult> run_supplement(const TaskContext& context) {
  return run(context, "supplement", kSupplementFiles, read_sentence_pairs);
}

Result<TaskResult> run_supplement_fast(const TaskContext& context) {
  return run(context, "supplement_fast", kSupplementFastFiles, read_sentence_pairs);
}

Result<TaskResult> run_ewok(const TaskContext& context) {
  return run(context, "ewok", kEwokFiles, read_ewok);
}

Result<TaskResult> run_ewok_fast(const TaskContext& context) {
  return run(context, "ewok_fast", kEwokFastFiles, read_ewok);
}

Result<TaskResult> run_entity_tracking(const TaskContext& context) {
  return run(context, "entity_tracking", kEntityTrackingFiles, read_entity_tracking);
}

Result<TaskResult> run_entity_tracking_fast(const TaskContext& context) {
  return run(context, "entity_tracking_fast", kEntityTrackingFastFiles, read_entity_tracking);
}

Result<TaskResult> run_comps(const TaskContext& context) {
  return run(context, "comps", kCompsFiles, read_comps);
}

Result<TaskResult> run_wug_adj_nominalization(const TaskContext& context) {
  return run(context, "wug_adj_nominalization", kWugAdjectiveFiles, read_wug);
}

Result<TaskResult> run_wug_past_tense(const TaskContext& context) {
  return run(context, "wug_past_tense", kWugPastTenseFiles, read_wug);
}

}  // namespace bitmar
