// One evaluation of a model on everything at hand: what `bitmar reproduce` measures and its page shows.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "eval/statistics/paired.h"
#include "eval/tasks/task.h"

namespace bitmar {

// A line of the page's head: "processor", "AMD …".
struct Fact {
  std::string name;
  std::string value;
};

// Speed and memory use with the episodic memory on and off. One absent: not measured; both: not measurable here.
struct SpeedRow {
  std::string what;  // "decode, 1 thread"
  std::string unit;
  std::optional<double> memory_on;
  std::optional<double> memory_off;
};

struct EvaluationRun {
  std::vector<Fact> facts;           // model, hash, machine, commit, seed, date …
  std::vector<TaskResult> tasks;     // with memory
  std::vector<TaskResult> ablation;  // the same tasks without it, in the same order; empty: the model has none
  std::vector<SpeedRow> speed;
  std::vector<std::string> missing;  // tasks whose files were not there
};

// A task with memory on and off: the first score of both, and their difference item by item where that is defined.
struct MemoryEffect {
  std::string task;
  std::string metric;
  double on = 0;
  double off = 0;
  std::optional<PairedDifference> paired;
};
[[nodiscard]] std::vector<MemoryEffect> memory_effects(const EvaluationRun& run, std::uint64_t seed);

// The run as results.json: {"facts": {…}, "tasks": […], "memory_off": […], "memory_effects": […], "speed": […],
// "missing": […]}; tasks in the form of eval/tasks/task_json.h.
[[nodiscard]] nlohmann::ordered_json to_json(const EvaluationRun& run, std::uint64_t seed);

// The run as a Markdown page, in the order of the paper's tables: zero-shot tasks, BabyLM and images, memory on and
// off, speed.
[[nodiscard]] std::string result_page(const EvaluationRun& run, std::uint64_t seed);

}  // namespace bitmar
