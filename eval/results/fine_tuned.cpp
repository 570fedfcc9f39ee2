#include "eval/results/fine_tuned.h"

#include <limits>
#include <optional>
#include <string_view>
#include <utility>

#include "eval/tasks/json_lines.h"
#include "eval/tasks/task_json.h"

namespace bitmar {
namespace {

constexpr std::string_view kTaskPrefix = "finetune-";

struct Folder {
  std::string checkpoint;
  std::uint64_t step;
  bool memory;
  std::vector<TaskResult> tasks;
};

// Whether each item was answered right, in the file's order.
Result<std::vector<double>> read_credits(const std::string& path) {
  std::vector<double> credits;
  BITMAR_TRY_VOID(read_json_lines(path, [&](const JsonRecord& record) -> Result<void> {
    constexpr std::size_t kAnyLabel = std::numeric_limits<std::uint32_t>::max();
    BITMAR_TRY(const std::size_t gold, record.index("gold", kAnyLabel));
    BITMAR_TRY(const std::size_t prediction, record.index("pred", kAnyLabel));
    credits.push_back(gold == prediction ? 1.0 : 0.0);
    return {};
  }));
  return credits;
}

Result<Folder> read_folder(const std::string& folder) {
  const std::string path = folder + "/results.json";
  BITMAR_TRY(StoredResults stored, read_task_results(path));
  const auto& model = stored.model;
  if (!model.is_object() || !model.contains("checkpoint") || !model["checkpoint"].is_string() ||
      !model.contains("step") || !model["step"].is_number_unsigned() || !model.contains("memory") ||
      !model["memory"].is_boolean()) {
    return fail(ErrorCode::kInvalidFile,
                "{}: model: expected what bitmar-train finetune writes: {{\"checkpoint\": …, \"step\": …, \"memory\": …}}",
                path);
  }
  Folder read{model["checkpoint"].get<std::string>(), model["step"].get<std::uint64_t>(), model["memory"].get<bool>(),
              std::move(stored.tasks)};
  for (TaskResult& task : read.tasks) {
    if (!task.task.starts_with(kTaskPrefix) || task.total.scores.empty() || task.parts.size() != 1 ||
        task.parts.front().scores.size() != task.total.scores.size()) {
      return fail(ErrorCode::kInvalidFile, "{}: {}: expected a task of bitmar-train finetune", path, task.task);
    }
    if (task.total.scores.front().metric != "accuracy") continue;
    const std::string predictions = folder + "/" + task.task.substr(kTaskPrefix.size()) + "/predictions.jsonl";
    BITMAR_TRY(task.credits, read_credits(predictions));
    if (task.credits.size() != task.total.items) {
      return fail(ErrorCode::kInvalidFile, "{}: {} predictions; expected {}, the items of {}", predictions,
                  task.credits.size(), task.total.items, path);
    }
  }
  return read;
}

}  // namespace

Result<FineTuned> read_fine_tuned(const std::vector<std::string>& folders) {
  FineTuned scores;
  std::optional<std::string> of_kind[2];
  for (const std::string& folder : folders) {
    BITMAR_TRY(Folder read, read_folder(folder));
    auto& same_kind = of_kind[read.memory ? 1 : 0];
    if (same_kind) {
      return fail(ErrorCode::kInvalidArgument, "{}: fine-tuned {} memory, as {} was; expected one of each", folder,
                  read.memory ? "with" : "without", *same_kind);
    }
    if (folder != folders.front() && (read.checkpoint != scores.checkpoint || read.step != scores.step)) {
      return fail(ErrorCode::kInvalidArgument, "{}: fine-tuned from {}, step {}; expected {}, step {}, as in {}", folder,
                  read.checkpoint, read.step, scores.checkpoint, scores.step, folders.front());
    }
    same_kind = folder;
    scores.checkpoint = read.checkpoint;
    scores.step = read.step;
    (read.memory ? scores.tasks : scores.ablation) = std::move(read.tasks);
  }
  return scores;
}

}  // namespace bitmar
