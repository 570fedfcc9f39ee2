#include "eval/results/fine_tuned.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string_view>
#include <utility>

#include "eval/tasks/json_lines.h"
#include "eval/tasks/task_json.h"

namespace bitmar {
namespace {

constexpr std::string_view kTaskPrefix = "finetune-";

struct Folder {
  std::string path;
  std::string checkpoint;
  std::uint64_t step;
  std::string weights;  // their fingerprint
  std::string settings;
  bool memory;
  std::vector<TaskResult> tasks;
  std::vector<std::vector<std::size_t>> labels;  // the right ones, of each task's items
};

// The right labels of a task's items and those that were given, in the file's order.
struct Answers {
  std::vector<std::size_t> labels;
  std::vector<std::size_t> given;
};

Result<Answers> read_answers(const std::string& path) {
  Answers answers;
  BITMAR_TRY_VOID(read_json_lines(path, [&](const JsonRecord& record) -> Result<void> {
    constexpr std::size_t kAnyLabel = std::numeric_limits<std::uint32_t>::max();
    BITMAR_TRY(const std::size_t gold, record.index("gold", kAnyLabel));
    BITMAR_TRY(const std::size_t prediction, record.index("pred", kAnyLabel));
    answers.labels.push_back(gold);
    answers.given.push_back(prediction);
    return {};
  }));
  return answers;
}

// What each answer adds to the metric that finetune quotes: accuracy, or F1 of label 1.
ItemValues values_of(const Answers& answers, bool is_f1) {
  ItemValues values;
  if (is_f1) {
    values.width = 2;
    values.statistic = ratio_of_sums;
  }
  for (std::size_t i = 0; i < answers.labels.size(); ++i) {
    const std::size_t gold = answers.labels[i], given = answers.given[i];
    if (is_f1) {
      values.values.push_back(gold == 1 && given == 1 ? 2.0 : 0.0);
      values.values.push_back((gold == 1 ? 1.0 : 0.0) + (given == 1 ? 1.0 : 0.0));
    } else {
      values.values.push_back(gold == given ? 1.0 : 0.0);
    }
  }
  return values;
}

// What results.json says of the model.
Result<Folder> read_model(const nlohmann::ordered_json& model, const std::string& path) {
  const auto has = [&](const char* key, auto is_of_type) {
    return model.is_object() && model.contains(key) && is_of_type(model[key]);
  };
  const auto is_text = [](const auto& value) { return value.is_string(); };
  if (!has("checkpoint", is_text) || !has("weights", is_text) || !has("settings", is_text) ||
      !has("step", [](const auto& value) { return value.is_number_unsigned(); }) ||
      !has("memory", [](const auto& value) { return value.is_boolean(); })) {
    return fail(ErrorCode::kInvalidFile,
                "{}: model: expected what bitmar-train finetune writes: checkpoint, step, weights, settings, memory",
                path);
  }
  return Folder{{},
                model["checkpoint"].get<std::string>(),
                model["step"].get<std::uint64_t>(),
                model["weights"].get<std::string>(),
                model["settings"].get<std::string>(),
                model["memory"].get<bool>(),
                {},
                {}};
}

Result<Folder> read_folder(const std::string& folder) {
  const std::string path = folder + "/results.json";
  BITMAR_TRY(StoredResults stored, read_task_results(path));
  BITMAR_TRY(Folder read, read_model(stored.model, path));
  read.path = folder;
  for (TaskResult& task : stored.tasks) {
    if (!task.task.starts_with(kTaskPrefix) || task.total.scores.empty() || task.parts.size() != 1 ||
        task.parts.front().scores.size() != task.total.scores.size()) {
      return fail(ErrorCode::kInvalidFile, "{}: {}: expected a task of bitmar-train finetune", path, task.task);
    }
    const std::string predictions = folder + "/" + task.task.substr(kTaskPrefix.size()) + "/predictions.jsonl";
    BITMAR_TRY(Answers answers, read_answers(predictions));
    if (answers.labels.size() != task.total.items) {
      return fail(ErrorCode::kInvalidFile, "{}: {} predictions; expected {}, the items of {}", predictions,
                  answers.labels.size(), task.total.items, path);
    }
    const Score& quoted = task.total.scores.front();
    if (quoted.metric == "accuracy" || quoted.metric == "f1") {
      task.values = values_of(answers, quoted.metric == "f1");
      if (const double score = score_of(task.values); std::abs(score - quoted.value) > 1e-9) {
        return fail(ErrorCode::kInvalidFile, "{}: {} of {}; expected {}, as in {}", predictions, quoted.metric, score,
                    quoted.value, path);
      }
    }
    read.labels.push_back(std::move(answers.labels));
  }
  read.tasks = std::move(stored.tasks);
  return read;
}

// Whether they differ by the memory alone.
Result<void> check_pair(const Folder& first, const Folder& second) {
  if (first.memory == second.memory) {
    return fail(ErrorCode::kInvalidArgument, "{}: fine-tuned {} memory, as {} was; expected one of each", second.path,
                second.memory ? "with" : "without", first.path);
  }
  if (first.weights != second.weights) {
    return fail(ErrorCode::kInvalidArgument, "{}: fine-tuned from {}, step {}; expected the weights of {}, {}, step {}",
                second.path, second.checkpoint, second.step, first.path, first.checkpoint, first.step);
  }
  if (first.settings != second.settings) {
    return fail(ErrorCode::kInvalidArgument, "{}: fine-tuned by {}; expected {}, as in {}", second.path,
                second.settings, first.settings, first.path);
  }
  for (std::size_t i = 0; i < second.tasks.size(); ++i) {
    const auto same = std::ranges::find(first.tasks, second.tasks[i].task, &TaskResult::task);
    if (same == first.tasks.end()) continue;
    if (first.labels[static_cast<std::size_t>(same - first.tasks.begin())] != second.labels[i]) {
      return fail(ErrorCode::kInvalidArgument, "{}: {}: of other items than in {}", second.path, same->task,
                  first.path);
    }
  }
  return {};
}

}  // namespace

Result<FineTuned> read_fine_tuned(const std::vector<std::string>& folders) {
  std::vector<Folder> read;
  for (const std::string& folder : folders) {
    BITMAR_TRY(Folder next, read_folder(folder));
    for (const Folder& earlier : read) BITMAR_TRY_VOID(check_pair(earlier, next));
    read.push_back(std::move(next));
  }
  FineTuned scores;
  for (Folder& folder : read) {
    scores.checkpoint = folder.checkpoint;
    scores.step = folder.step;
    scores.settings = folder.settings;
    (folder.memory ? scores.tasks : scores.ablation) = std::move(folder.tasks);
  }
  return scores;
}

}  // namespace bitmar
