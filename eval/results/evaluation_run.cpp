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

}  // namespace

std::vector<MemoryEffect> memory_effects(const EvaluationRun& run, std::uint64_t seed) {
  std::vector<MemoryEffect> effects;
  for (const TaskResult& on : run.tasks) {
    const auto off = std::ranges::find(run.ablation, on.task, &TaskResult::task);
    if (off == run.ablation.end() || on.total.scores.empty() || off->total.scores.empty()) continue;
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
  Json json = {{"facts", Json::object()}, {"tasks", Json::array()}, {"memory_off", Json::array()}};
  for (const Fact& fact : run.facts) json["facts"][fact.name] = fact.value;
  for (const TaskResult& task : run.tasks) json["tasks"].push_back(bitmar::to_json(task));
  for (const TaskResult& task : run.ablation) json["memory_off"].push_back(bitmar::to_json(task));
  json["memory_effects"] = Json::array();
  for (const MemoryEffect& effect : memory_effects(run, seed)) json["memory_effects"].push_back(to_json(effect));
  json["speed"] = Json::array();
  for (const SpeedRow& row : run.speed) {
    json["speed"].push_back({{"what", row.what},
                             {"unit", row.unit},
                             {"memory_on", optional_number(row.memory_on)},
                             {"memory_off", optional_number(row.memory_off)}});
  }
  json["missing"] = run.missing;
  return json;
}

}  // namespace bitmar
