#include <optional>

#include "bench_report.h"

namespace bitmar::cli {
namespace {

using Json = nlohmann::ordered_json;

Json times_json(const Summary& times) {
  return {{"microseconds_median", times.median}, {"microseconds_minimum", times.minimum}, {"spread", times.spread()}};
}

Json times_json(const TokenTimes& times) {
  Json json = {{"tokens", times.tokens}};
  json.update(times_json(times.microseconds));
  json["tokens_per_second"] = times.tokens_per_second();
  return json;
}

Json times_json(const StartTimes& times, bool photo) {
  Json json = {{"prompt_tokens", times.prompt_tokens},
               {"engine", times_json(times.engine)},
               {"session", times_json(times.session)}};
  if (photo) json["photo"] = times_json(times.photo);
  json["first_token"] = times_json(times.first_token);
  json["total"] = times_json(times.total);
  return json;
}

Json times_json(const PhotoTimes& times) {
  return {{"decode", times.decode ? times_json(*times.decode) : Json()},
          {"fit", times_json(times.fit)},
          {"tower", times_json(times.tower)}};
}

Json times_json(const CaptionTimes& times) {
  Json json = {{"beam", times.beam}, {"tokens", times.tokens}};
  json.update(times_json(times.microseconds));
  return json;
}

Json times_json(const StageTimes& times) {
  Json json = Json::array();
  for (std::size_t stage = 0; stage < kStageNames.size(); ++stage) {
    json.push_back({{"stage", kStageNames[stage]},
                    {"microseconds", times.short_context[stage]},
                    {"microseconds_full_window", times.full_window[stage]}});
  }
  return json;
}

// What there is nothing of is null.
template <typename Value>
Json times_json(const std::optional<Value>& value) {
  return value ? times_json(*value) : Json();
}

Json times_json(const ThreadReport& run, const std::string& no_energy) {
  Json json = {{"threads", run.threads},
               {"prefill", times_json(run.prefill)},
               {"decode", times_json(run.decode)},
               {"decode_sampling", times_json(run.sampling)},
               {"decode_no_memory", times_json(run.no_memory)},
               {"decode_full_window", times_json(run.full_window)}};
  json["decode_full_window"]["context_tokens"] = run.full_window_context;
  json["decode_full_window"]["ratio_to_decode"] = run.full_window_ratio();
  json["start"] = run.start ? times_json(*run.start, false) : Json();
  json["caption_start"] = run.caption_start ? times_json(*run.caption_start, true) : Json();
  json["photo"] = times_json(run.photo);
  json["caption"] = times_json(run.caption);
  if (run.stages) json["stages"] = times_json(*run.stages);
  if (run.joules_per_token) {
    json["energy"] = {{"joules_per_token", *run.joules_per_token}};
  } else {
    json["energy"] = {{"unavailable", no_energy}};
  }
  return json;
}

Json times_json(const std::vector<MemoryStep>& steps) {
  Json json = Json::array();
  for (const MemoryStep& step : steps) {
    json.push_back({{"after", step.after}, {"resident_bytes", step.memory.current}, {"peak_bytes", step.memory.peak}});
  }
  return json;
}

}  // namespace

Json report_json(const BenchmarkReport& report) {
  Json json;
  json["machine"] = {{"processor", report.machine.processor},
                     {"cores", report.machine.cores},
                     {"system", report.machine.system},
                     {"isa", report.isa},
                     {"compiler", report.machine.compiler},
                     {"build", report.machine.build},
                     {"version", BITMAR_VERSION}};
  json["model"] = report.model;
  json["photo"] = report.photo.empty() ? Json() : Json(report.photo);
  json["repetitions"] = report.repetitions;
  json["runs"] = Json::array();
  for (const ThreadReport& run : report.runs) json["runs"].push_back(times_json(run, report.no_energy));
  json["memory"] = times_json(report.memory);
  json["warnings"] = report.warnings;
  return json;
}

}  // namespace bitmar::cli
