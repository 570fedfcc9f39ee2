#include "eval/results/evaluation_run.h"

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
               std::span<const MemoryEffect> effects) {
  for (const char* key : {"tasks", "memory_off", "memory_effects"}) json[key] = Json::array();
  for (const TaskResult& task : memory_on) json["tasks"].push_back(bitmar::to_json(task));
  for (const TaskResult& task : memory_off) json["memory_off"].push_back(bitmar::to_json(task));
  for (const MemoryEffect& effect : effects) {
    json["memory_effects"].push_back(to_json(effect));
  }
}

}  // namespace

nlohmann::ordered_json to_json(const EvaluationRun& run) {
  Json json = {{"facts", Json::object()}};
  for (const Fact& fact : run.facts) json["facts"][fact.name] = fact.value;
  add_tasks(json, run.tasks, run.ablation, run.effects);
  json["fine_tuned"] = nullptr;
  if (const auto& scores = run.fine_tuned) {
    json["fine_tuned"] = {{"checkpoint", scores->checkpoint}, {"step", scores->step}, {"settings", scores->settings}};
    add_tasks(json["fine_tuned"], scores->tasks, scores->ablation, run.fine_tuned_effects);
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
