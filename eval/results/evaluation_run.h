// One evaluation of a model on everything at hand: what `bitmar reproduce` measures and its page shows.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "eval/results/fine_tuned.h"
#include "eval/results/memory_effects.h"
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

// A figure of the model's training, as a file beside the page.
struct FigureFile {
  std::string file;  // from the page's folder
  std::string title;
};

struct EvaluationRun {
  std::vector<Fact> facts;            // model, hash, machine, commit, seed, date …
  std::vector<TaskResult> tasks;      // with memory
  std::vector<TaskResult> ablation;   // the same tasks without it, in the same order; empty: the model has none
  std::vector<MemoryEffect> effects;  // of these
  std::optional<FineTuned> fine_tuned;
  std::vector<MemoryEffect> fine_tuned_effects;
  std::vector<SpeedRow> speed;
  std::string training_report;  // a page, from this one's folder; empty: none
  std::vector<FigureFile> figures;
  std::vector<std::string> missing;  // tasks whose files, or the vision tower for them, were not there
};

// The run as results.json: {"facts": {…}, "tasks": […], "memory_off": […], "memory_effects": […], "fine_tuned":
// {"checkpoint": …, "step": …, "settings": …, "tasks": […], "memory_off": […], "memory_effects": […]} or null, "speed":
// […], "figures": […], "missing": […]}; tasks in the form of eval/tasks/task_json.h.
[[nodiscard]] nlohmann::ordered_json to_json(const EvaluationRun& run);

// The run as a Markdown page, in the order of the paper's tables: zero-shot tasks, BabyLM and images, fine-tuning,
// memory on and off, speed; then the figures.
[[nodiscard]] std::string result_page(const EvaluationRun& run);

}  // namespace bitmar
