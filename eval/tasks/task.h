// What every evaluation task is: a name, and a function that measures a model on the task's files and returns scores
// with what they are to be compared with. The registry (eval/registry/registry.h) lists them all.
//
//   for (const Task& task : tasks()) {
//     BITMAR_TRY(const TaskResult result, task.run(context));
//   }
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "eval/scoring/encoding.h"
#include "eval/statistics/bootstrap.h"
#include "eval/statistics/paired.h"
#include "runtime/engine.h"

namespace bitmar {

// One number. What does not apply is absent, never zero.
struct Score {
  std::string metric;                     // "accuracy", "perplexity", "recall@10", …
  double value = 0;                       // accuracies and recalls: in [0, 1]
  std::optional<Interval> interval;       // bootstrap, 95 %
  std::optional<double> chance;           // of guessing
  std::optional<double> uniform;          // of a model to which all tokens are alike: it prefers the shortest answer
  std::optional<double> majority;         // of always giving the most frequent answer
  std::optional<double> no_image;         // the same without the image …
  std::optional<double> shuffled_images;  // … and with another item's
};

// The scores of the whole task, or of one of its parts (a BLiMP paradigm, an MMLU subject).
struct ScoreGroup {
  std::string name;  // empty: the whole task
  std::uint64_t items = 0;
  std::uint64_t ties = 0;     // items with several best choices, each counted 1/n
  std::vector<Score> scores;  // the first is the one to quote
};

struct TaskResult {
  std::string task;
  ScoreGroup total;
  std::vector<ScoreGroup> parts;
  // What each item adds to the first score, in the file's order, which score_of(values) is: for paired comparisons. Not
  // written to files.
  ItemValues values;
  double seconds = 0;
};

// What a run of any task is given.
struct TaskContext {
  std::shared_ptr<const Engine> engine;
  // --data: the folder that holds the tasks' folders in their official layouts, or holds them in its folder eval
  std::string data;
  std::string text;   // --text: a file to measure perplexity on, all of it, instead of the held-out text in `data`
  std::string tower;  // --tower: the file of the engine's vision tower; empty: the model's own, or none
  std::string predictions;  // the folder for <task>.jsonl; empty: none are kept, and nothing is resumed
  std::size_t threads = 1;
  std::uint64_t seed = 1;                                                 // of bootstraps and shuffles
  std::uint64_t limit = 0;                                                // items of each part; 0: all
  bool memory = true;                                                     // false: the ablation
  StartToken start = StartToken::kEmptyContext;                           // of the harness' tasks
  std::function<void(std::uint64_t done, std::uint64_t total)> progress;  // may be empty; one call at a time

  // The model has a memory, and it is not off.
  [[nodiscard]] bool reads_memory() const { return memory && engine->memory() != nullptr; }
};

struct Task {
  std::string_view name;         // as on the command line
  std::string_view description;  // one line
  std::string_view files;        // find_task_files(); also for --help
  Result<TaskResult> (*run)(const TaskContext& context);
  bool images = false;  // needs a vision tower, or features.npy where the images would be
};

}  // namespace bitmar
