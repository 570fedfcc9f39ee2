#include "eval/tasks/task_json.h"

#include <fmt/format.h>

#include <limits>
#include <optional>
#include <string_view>

#include "io/lines.h"
#include "io/mapped_file.h"

namespace bitmar {
namespace {

using Json = nlohmann::ordered_json;

struct OptionalNumber {
  const char* key;
  std::optional<double> Score::* member;
};

constexpr OptionalNumber kComparisons[] = {
    {"chance", &Score::chance},
    {"uniform", &Score::uniform},
    {"majority", &Score::majority},
    {"no_image", &Score::no_image},
    {"shuffled_images", &Score::shuffled_images},
};

Json to_json(const Score& score) {
  Json json = {{"metric", score.metric}, {"value", score.value}};
  if (score.interval) json["interval"] = {score.interval->low, score.interval->high};
  for (const auto& [key, member] : kComparisons) {
    if (score.*member) json[key] = *(score.*member);
  }
  return json;
}

Json to_json(const ScoreGroup& group) {
  Json json = Json::object();
  if (!group.name.empty()) json["name"] = group.name;
  json["items"] = group.items;
  json["ties"] = group.ties;
  json["scores"] = Json::array();
  for (const Score& score : group.scores) json["scores"].push_back(to_json(score));
  return json;
}

// A value and its path from the root, for errors.
struct Place {
  const Json& json;
  std::string path;

  [[nodiscard]] Place at(std::size_t index) const { return {json[index], fmt::format("{}[{}]", path, index)}; }
};

std::unexpected<Error> wrong(const std::string& path, std::string_view expected) {
  return fail(ErrorCode::kInvalidFile, "{}: expected {}", path.empty() ? "the result" : path, expected);
}

std::string path_of(const Place& object, std::string_view key) {
  return object.path.empty() ? std::string(key) : fmt::format("{}.{}", object.path, key);
}

Result<Place> member(const Place& object, const char* key, std::string_view expected) {
  if (!object.json.is_object()) return wrong(object.path, "an object");
  const auto found = object.json.find(key);
  if (found == object.json.end()) return wrong(path_of(object, key), expected);
  return Place{*found, path_of(object, key)};
}

Result<double> number(const Place& place) {
  if (place.json.is_null()) return std::numeric_limits<double>::quiet_NaN();
  if (!place.json.is_number()) return wrong(place.path, "a number");
  return place.json.get<double>();
}

Result<double> number(const Place& object, const char* key) {
  BITMAR_TRY(const Place place, member(object, key, "a number"));
  return number(place);
}

Result<std::uint64_t> count(const Place& object, const char* key) {
  BITMAR_TRY(const Place place, member(object, key, "a count"));
  if (!place.json.is_number_unsigned()) return wrong(place.path, "a count");
  return place.json.get<std::uint64_t>();
}

Result<std::string> text(const Place& object, const char* key) {
  BITMAR_TRY(const Place place, member(object, key, "a text"));
  if (!place.json.is_string()) return wrong(place.path, "a text");
  return place.json.get<std::string>();
}

Result<Place> list(const Place& object, const char* key) {
  BITMAR_TRY(const Place place, member(object, key, "a list"));
  if (!place.json.is_array()) return wrong(place.path, "a list");
  return place;
}

Result<Score> score_of(const Place& place) {
  Score score;
  BITMAR_TRY(score.metric, text(place, "metric"));
  BITMAR_TRY(score.value, number(place, "value"));
  if (place.json.contains("interval")) {
    BITMAR_TRY(const Place interval, list(place, "interval"));
    if (interval.json.size() != 2) return wrong(interval.path, "two numbers");
    BITMAR_TRY(const double low, number(interval.at(0)));
    BITMAR_TRY(const double high, number(interval.at(1)));
    score.interval = Interval{low, high};
  }
  for (const auto& [key, member] : kComparisons) {
    if (!place.json.contains(key)) continue;
    BITMAR_TRY(score.*member, number(place, key));
  }
  return score;
}

Result<ScoreGroup> group_of(const Place& place) {
  ScoreGroup group;
  if (place.json.is_object() && place.json.contains("name")) {
    BITMAR_TRY(group.name, text(place, "name"));
  }
  BITMAR_TRY(group.items, count(place, "items"));
  BITMAR_TRY(group.ties, count(place, "ties"));
  BITMAR_TRY(const Place scores, list(place, "scores"));
  for (std::size_t i = 0; i < scores.json.size(); ++i) {
    BITMAR_TRY(Score score, score_of(scores.at(i)));
    group.scores.push_back(std::move(score));
  }
  return group;
}

Result<TaskResult> result_of(const Place& place) {
  TaskResult result;
  BITMAR_TRY(result.task, text(place, "task"));
  BITMAR_TRY(result.seconds, number(place, "seconds"));
  BITMAR_TRY(const Place total, member(place, "total", "an object"));
  BITMAR_TRY(result.total, group_of(total));
  BITMAR_TRY(const Place parts, list(place, "parts"));
  for (std::size_t i = 0; i < parts.json.size(); ++i) {
    BITMAR_TRY(ScoreGroup part, group_of(parts.at(i)));
    result.parts.push_back(std::move(part));
  }
  return result;
}

}  // namespace

Json to_json(const TaskResult& result) {
  Json json = {{"task", result.task}, {"seconds", result.seconds}, {"total", to_json(result.total)}};
  json["parts"] = Json::array();
  for (const ScoreGroup& part : result.parts) json["parts"].push_back(to_json(part));
  return json;
}

Result<TaskResult> task_result_from_json(const Json& json) {
  return result_of({json, {}});
}

Result<StoredResults> read_task_results(const std::string& path) {
  BITMAR_TRY(const MappedFile file, MappedFile::open(path));
  const Json root = Json::parse(as_text(file.bytes()), nullptr, false);
  if (root.is_discarded()) return fail(ErrorCode::kInvalidFile, "{}: not JSON", path);
  const auto read = [&]() -> Result<StoredResults> {
    BITMAR_TRY(const Place tasks, list({root, {}}, "tasks"));
    StoredResults stored;
    if (const auto model = root.find("model"); model != root.end()) stored.model = *model;
    for (std::size_t i = 0; i < tasks.json.size(); ++i) {
      BITMAR_TRY(TaskResult result, result_of(tasks.at(i)));
      stored.tasks.push_back(std::move(result));
    }
    return stored;
  };
  auto stored = read();
  if (!stored) return fail(stored.error().code, "{}: {}", path, stored.error().message);
  return stored;
}

}  // namespace bitmar
