#include "eval/tasks/choice_task.h"

#include <chrono>
#include <optional>
#include <unordered_map>

#include "eval/tasks/choice_results.h"
#include "eval/tasks/choice_run.h"
#include "eval/tasks/prediction_file.h"
#include "eval/tasks/task_files.h"

namespace bitmar {
namespace {

// Keeps the first `limit` items of each part.
void limit_items(ChoiceSet& set, std::uint64_t limit) {
  if (limit == 0) return;
  std::unordered_map<std::uint32_t, std::uint64_t> kept;
  std::erase_if(set.items,
                [&](const ChoiceItem& item) { return ++kept[item.groups.empty() ? 0 : item.groups.front()] > limit; });
}

}  // namespace

Result<TaskResult> run_choice_task(const TaskContext& context, const ChoiceTask& task) {
  const auto begin = std::chrono::steady_clock::now();
  BITMAR_TRY(const std::string path, find_task_files(context.data, task.files));
  BITMAR_TRY(ChoiceSet set, task.read(path));
  limit_items(set, context.limit);
  const auto items = std::span<const ChoiceItem>(set.items);
  const StartToken start = task.always_start ? StartToken::kAlways : context.start;

  std::optional<PredictionFile> predictions;
  std::vector<ItemScores> scores;
  if (!context.predictions.empty()) {
    PredictionBinding binding;
    binding.task = task.name;
    binding.model = context.engine->content_hash();
    BITMAR_TRY(binding.files, hash_files(set.files));
    binding.memory = context.memory;
    binding.limit = context.limit;
    binding.start = start;
    BITMAR_TRY(PredictionFile opened, PredictionFile::open(context.predictions, binding, items));
    predictions.emplace(std::move(opened));
    scores = predictions->finished();
  }
  std::uint64_t done = scores.size();
  const auto show = [&] {
    if (context.progress) context.progress(done, items.size());
  };
  show();
  const auto sink = [&](std::span<const ItemScores> next) -> Result<void> {
    if (predictions) {
      BITMAR_TRY_VOID(predictions->append(next));
    }
    done += next.size();
    show();
    return {};
  };
  BITMAR_TRY(std::vector<ItemScores> rest,
             score_items(context.engine, items.subspan(scores.size()),
                         {.threads = context.threads, .memory = context.memory, .start = start}, sink));
  if (predictions) {
    BITMAR_TRY_VOID(predictions->finish());
  }
  for (ItemScores& of_item : rest) scores.push_back(std::move(of_item));

  TaskResult result = count_choices(
      set, scores, {.shuffled = task.shuffled, .mean_of_parts = task.mean_of_parts, .seed = context.seed});
  result.task = task.name;
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return result;
}

}  // namespace bitmar
