#include "finetune/finetune_result.h"

#include <filesystem>
#include <nlohmann/json.hpp>

#include "io/atomic_file.h"
#include "io/lines.h"
#include "io/mapped_file.h"

namespace bitmar {
namespace {

using Json = nlohmann::ordered_json;

Json to_json(const ClassificationScore& score) {
  return {{"metric", score.metric},
          {"value", score.value},
          {"interval", {score.interval.low, score.interval.high}},
          {"chance", score.chance},
          {"majority", score.constant}};
}

Json group_to_json(const FineTuneResult& result, std::span<const ClassificationScore> scores) {
  Json json = {{"items", result.items}, {"ties", 0}, {"scores", Json::array()}};
  for (const ClassificationScore& score : scores) json["scores"].push_back(to_json(score));
  return json;
}

Json to_json(const FineTuneResult& result) {
  Json last = {{"name", "last epoch"}};
  last.update(group_to_json(result, result.last_scores));
  return {{"task", result.task},
          {"seconds", result.seconds},
          {"total", group_to_json(result, result.scores)},
          {"parts", Json::array({last})},
          {"training_items", result.training_items},
          {"epochs", result.epochs},
          {"best_epoch", result.best_epoch},
          {"course", result.course}};
}

std::vector<ClassificationScore> scores_of(const Json& group) {
  std::vector<ClassificationScore> scores;
  for (const Json& json : group.at("scores")) {
    scores.push_back({.metric = json.at("metric").get<std::string>(),
                      .value = json.at("value").get<double>(),
                      .interval = {json.at("interval").at(0).get<double>(), json.at("interval").at(1).get<double>()},
                      .chance = json.at("chance").get<double>(),
                      .constant = json.at("majority").get<double>()});
  }
  return scores;
}

FineTuneResult result_of(const Json& json) {
  return {.task = json.at("task").get<std::string>(),
          .items = json.at("total").at("items").get<std::uint64_t>(),
          .scores = scores_of(json.at("total")),
          .last_scores = scores_of(json.at("parts").at(0)),
          .seconds = json.at("seconds").get<double>(),
          .training_items = json.at("training_items").get<std::uint64_t>(),
          .epochs = json.at("epochs").get<std::uint64_t>(),
          .best_epoch = json.at("best_epoch").get<std::uint64_t>(),
          .course = json.at("course").get<std::string>()};
}

Result<void> write_text(const std::string& path, std::string_view text) {
  BITMAR_TRY(AtomicFile file, AtomicFile::create(path));
  BITMAR_TRY_VOID(file.write(std::as_bytes(std::span(text))));
  return file.commit();
}

std::string printed(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + '\n';
}

}  // namespace

Result<void> write_finetune_result(const std::string& path, const FineTuneResult& result) {
  return write_text(path, printed(to_json(result)));
}

Result<std::optional<FineTuneResult>> read_finetune_result(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return std::nullopt;
  BITMAR_TRY(const MappedFile file, MappedFile::open(path));
  try {
    return result_of(Json::parse(as_text(file.bytes())));
  } catch (const Json::exception& problem) {
    return fail(ErrorCode::kInvalidFile, "{}: not the result of a fine-tuning: {}", path, problem.what());
  }
}

Result<void> write_finetune_results(const std::string& path, const FineTuneBase& base,
                                    std::span<const FineTuneResult> results) {
  Json json = {{"model",
                {{"checkpoint", base.checkpoint},
                 {"step", base.step},
                 {"weights", base.weights},
                 {"settings", base.settings},
                 {"memory", base.memory}}},
               {"tasks", Json::array()}};
  for (const FineTuneResult& result : results) json["tasks"].push_back(to_json(result));
  return write_text(path, printed(json));
}

Result<void> write_predictions(const std::string& path, std::string_view task, std::span<const std::uint32_t> gold,
                               std::span<const std::uint32_t> predictions) {
  std::string lines;
  for (std::size_t i = 0; i < gold.size(); ++i) {
    lines += fmt::format("{{\"id\": \"{}_{}\", \"gold\": {}, \"pred\": {}}}\n", task, i, gold[i], predictions[i]);
  }
  return write_text(path, lines);
}

}  // namespace bitmar
