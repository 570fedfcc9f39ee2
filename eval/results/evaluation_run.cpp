#include "eval/results/evaluation_run.h"

#include <algorithm>
#include <cassert>

#include "eval/tasks/task_json.h"

namespace bitmar {
namespace {

using Json = nlohmann::ordered_json;

Json optional_number(const std::optional<double>& value) {
  return value ? Json(*value) : Json(nullptr);
}

Json to_json(const MemoryEffect& effect) {
  Json json = {{"task", effect.task}, {"metric", effect.metric}, {"memory_on", effect.on}, {"memory_off", effect.off}};
  if (effect.paired) {
    json["difference"] = effect.paired->difference;
    json["interval"] = {effect.paired->interval.low, effect.paired->interval.high};
    json["p_value"] = effect.paired->p_value;
  }
  return json;
}

// Adds both kinds of results and how far they are apart.
void add_tasks(Json& json, std::span<const TaskResult> memory_on, std::span<const TaskResult> memory_off,
               std::uint64_t seed) {
  for (const char* key : {"tasks", "memory_off", "memory_effects"}) json[key] = Json::array();
  for (const TaskResult& task : memory_on) json["tasks"].push_back(bitmar::to_json(task));
  for (const TaskResult& task : memory_off) json["memory_off"].push_back(bitmar::to_json(task));
  for (const MemoryEffect& effect : memory_effects(memory_on, memory_off, seed)) {
    json["memory_effects"].push_back(to_json(effect));
  }
}

}  // namespace

std::vector<MemoryEffect> memory_effects(std::span<const TaskResult> memory_on, std::span<const TaskResult> memory_off,
                                         std::uint64_t seed) {
  std::vector<MemoryEffect> effects;
  for (const TaskResult& on : memory_on) {
    const auto off = std::ranges::find(memory_off, on.task, &TaskResult::task);
    if (off == memory_off.end() || on.total.scores.empty() || off->total.scores.empty()) continue;
    MemoryEffect& effect = effects.emplace_back();
    effect.task = on.task;
    effect.metric = on.total.scores.front().metric;
    effect.on = on.total.scores.front().value;
    effect.off = off->total.scores.front().value;
    if (!on.credits.empty() && on.credits.size() == off->credits.size()) {
      effect.paired = paired_difference(on.credits, off->credits, {.seed = seed});
    }
  }
  return effects;
}

nlohmann::ordered_json to_json(const EvaluationRun& run, std::uint64_t seed) {
  Json json = {{"facts", Json::object()}};
  for (const Fact& fact : run.facts) json["facts"][fact.name] = fact.value;
  add_tasks(json, run.tasks, run.ablation, seed);
  json["fine_tuned"] = nullptr;
  if (const auto& scores = run.fine_tuned) {
    json["fine_tuned"] = {{"checkpoint", scores->checkpoint}, {"step", scores->step}, {"settings", scores->settings}};
    add_tasks(json["fine_tuned"], scores->tasks, scores->ablation, seed);
  }
  json["speed"] = Json::array();
  for (const SpeedRow& row : run.speed) {
    json["speed"].push_back({{"what", row.what},
                             {"unit", row.unit},
                             {"memory_on", optional_number(row.memory_on)},
                             {"memory_off", optional_number(row.memory_off)}});
  }
  json["figures"] = Json::array();
  for (const FigureFile& figure : run.figures) {
    json["figures"].push_back({{"file", figure.file}, {"title", figure.title}});
  }
  json["missing"] = run.missing;
  return json;
}

}  // namespace bitmar
