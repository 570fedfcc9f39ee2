#include "eval/tasks/choice_task.h"

#include <array>
#include <chrono>
#include <filesystem>
#include <optional>
#include <unordered_map>

#include "eval/tasks/choice_results.h"
#include "eval/tasks/prediction_binding.h"
#include "eval/tasks/resumed_run.h"
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

enum class ImageUse { kText, kOwn, kNone, kShuffled };

std::string_view name_of(ImageUse use) {
  constexpr std::array<std::string_view, 4> kNames = {"", "own", "none", "shuffled"};
  return kNames[static_cast<std::size_t>(use)];
}

bool reads_images(ImageUse use) {
  return use == ImageUse::kOwn || use == ImageUse::kShuffled;
}

// Each item with the images of one half the set further, so that none keeps its own unless they are the same.
std::vector<ChoiceItem> shuffle_images(std::span<const ChoiceItem> items) {
  std::vector<ChoiceItem> shuffled(items.begin(), items.end());
  for (std::size_t i = 0; i < items.size(); ++i) {
    shuffled[i].images = items[(i + (items.size() + 1) / 2) % items.size()].images;
  }
  return shuffled;
}

// The runs of one task: the task itself, and its controls.
class ChoiceRuns {
 public:
  ChoiceRuns(const TaskContext& context, const ChoiceTask& task, const ChoiceSet& set, const ImageSource* images)
      : context_(context),
        task_(task),
        set_(set),
        images_(images),
        start_(task.always_start ? StartToken::kAlways : context.start),
        total_(set.items.size() * (images == nullptr ? 1 : 3)) {}

  Result<std::vector<ItemScores>> score(ImageUse use) {
    const std::vector<ChoiceItem> shuffled =
        use == ImageUse::kShuffled ? shuffle_images(set_.items) : std::vector<ChoiceItem>();
    const auto items = use == ImageUse::kShuffled ? std::span(shuffled) : std::span(set_.items);
    std::optional<PredictionBinding> binding;
    if (!context_.predictions.empty()) {
      BITMAR_TRY(binding, bind(use, items));
    }
    const ChoiceRun run = {.threads = context_.threads,
                           .memory = context_.memory,
                           .start = start_,
                           .images = reads_images(use) ? images_ : nullptr};
    return score_resumed(context_, items, run, binding, [&](std::size_t done) { advance(done); });
  }

  TaskResult count(std::span<const ItemScores> scores) const {
    return count_choices(set_, scores,
                         {.shuffled = task_.shuffled,
                          .mean_of_parts = task_.mean_of_parts,
                          .majority_of_parts = task_.majority_of_parts,
                          .seed = context_.seed});
  }

 private:
  Result<PredictionBinding> bind(ImageUse use, std::span<const ChoiceItem> items) const {
    std::string name(task_.name);
    if (use == ImageUse::kNone) name += "-no-image";
    if (use == ImageUse::kShuffled) name += "-shuffled-images";
    BITMAR_TRY(std::string files, hash_files(set_.files));
    PredictionBinding binding = bind_predictions(context_, name, std::move(files));
    binding.start = start_;
    binding.images = name_of(use);
    if (reads_images(use)) {
      std::vector<std::string> names;
      for (const ChoiceItem& item : items) names.insert(names.end(), item.images.begin(), item.images.end());
      BITMAR_TRY_VOID(bind_images(binding, context_, *images_, names));
    }
    return binding;
  }
  void advance(std::size_t items) {
    done_ += items;
    if (context_.progress) context_.progress(done_, total_);
  }

  const TaskContext& context_;
  const ChoiceTask& task_;
  const ChoiceSet& set_;
  const ImageSource* images_;
  StartToken start_;
  std::uint64_t total_;
  std::uint64_t done_ = 0;
};

// The values of `control`, which has the same groups and scores, as one of the comparisons of `result`.
void compare(TaskResult& result, const TaskResult& control, std::optional<double> Score::* comparison) {
  const auto of_group = [&](ScoreGroup& group, const ScoreGroup& other) {
    for (std::size_t i = 0; i < group.scores.size(); ++i) group.scores[i].*comparison = other.scores[i].value;
  };
  of_group(result.total, control.total);
  for (std::size_t i = 0; i < result.parts.size(); ++i) of_group(result.parts[i], control.parts[i]);
}

}  // namespace

Result<TaskResult> run_choice_task(const TaskContext& context, const ChoiceTask& task) {
  const auto begin = std::chrono::steady_clock::now();
  BITMAR_TRY(const std::string path, find_task_files(context.data, task.files));
  BITMAR_TRY(ChoiceSet set, task.read(path));
  limit_items(set, context.limit);
  std::optional<ImageSource> images;
  if (task.images) {
    const std::filesystem::path found(path);
    BITMAR_TRY(images, find_images((is_directory(found) ? found : found.parent_path()).string(), *context.engine));
  }
  ChoiceRuns runs(context, task, set, images ? &*images : nullptr);
  BITMAR_TRY(const auto scores, runs.score(images ? ImageUse::kOwn : ImageUse::kText));
  TaskResult result = runs.count(scores);
  if (images) {
    BITMAR_TRY(const auto without, runs.score(ImageUse::kNone));
    compare(result, runs.count(without), &Score::no_image);
    BITMAR_TRY(const auto shuffled, runs.score(ImageUse::kShuffled));
    compare(result, runs.count(shuffled), &Score::shuffled_images);
  }
  result.task = task.name;
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return result;
}

}  // namespace bitmar
