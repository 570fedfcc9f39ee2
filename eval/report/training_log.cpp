#include "eval/report/training_log.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <optional>
#include <set>

#include "eval/report/settings_table.h"
#include "eval/tasks/json_lines.h"
#include "io/lines.h"
#include "io/mapped_file.h"

namespace bitmar::report {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

Result<fs::path> find_log(const std::string& run) {
  std::error_code ignored;
  if (fs::is_regular_file(run, ignored)) return fs::path(run);
  for (const char* place : {"log/log.jsonl", "log.jsonl"}) {
    if (const fs::path path = fs::path(run) / place; fs::is_regular_file(path, ignored)) return path;
  }
  return fail(ErrorCode::kNotFound, "{}: expected a training run's folder, with log/log.jsonl, or a log.jsonl", run);
}

// The configuration beside the log or above its folder.
std::string read_settings(const fs::path& log) {
  const fs::path folder = fs::absolute(log).lexically_normal().parent_path();
  for (const fs::path& path : {folder / "config.toml", folder.parent_path() / "config.toml"}) {
    if (const auto file = MappedFile::open(path.string())) return std::string(as_text(file->bytes()));
  }
  return {};
}

std::string stage_name(const fs::path& log) {
  fs::path folder = fs::absolute(log).lexically_normal().parent_path();
  if (folder.filename() == "log") folder = folder.parent_path();
  return folder.filename().string();
}

double number_of(const json& value) {
  return value.is_null() ? kGap : value.get<double>();
}

// Of the mixture; 0: the settings do not say.
std::size_t configured_streams(const std::string& settings) {
  const auto rows = settings_rows(settings, "config.toml");
  if (!rows) return 0;  // named where the settings are shown
  return static_cast<std::size_t>(
      std::ranges::count_if(*rows, [](const TableRow& row) { return row.name.starts_with("data.train: "); }));
}

class StageReader {
 public:
  StageReader(TrainingLog& log, Stage& stage) : log_(log), stage_(stage) {}

  Result<void> read(const JsonRecord& record) {
    const json& line = record.json();
    const auto step = line.find("step");
    if (step == line.end() || !step->is_number_unsigned()) return record.error("step", "must be a number of steps");
    const double count = stage_.first_step + step->get<double>();
    if (count < stage_.last_step) return record.error("step", "must not fall");
    stage_.last_step = count;
    std::size_t streams = 0;
    for (const auto& [tag, value] : line.items()) {
      if (tag == "step") continue;
      if (tag == "time") {
        if (!value.is_number()) return record.error(tag, "must be a number of seconds");
        stage_.last_time = value.get<double>();
        if (stage_.first_time == 0) stage_.first_time = stage_.last_time;
      } else if (value.is_number() || value.is_null()) {
        add(log_.scalars[tag], count, number_of(value));
        if (tag.starts_with("stream/")) {
          ++streams;
          streams_.insert(tag);
        }
      } else if (value.is_string()) {
        log_.texts[tag].push_back({count, value.get<std::string>()});
      } else if (is_vector(value)) {
        Frame& frame = log_.vectors[tag].emplace_back(Frame{count, {}});
        for (const json& number : value) frame.values.push_back(number_of(number));
      } else {
        return record.error(tag, "must be a number, null, text or an array of numbers");
      }
    }
    if (streams > 0) count_line(count, streams);
    return {};
  }

  void finish() {
    constexpr std::size_t kEnoughLines = 10;  // fewer may have one stream each by chance
    stage_.logs_single_steps = lines_ >= kEnoughLines && most_streams_ == 1 && least_distance_ > 1 &&
                               std::max(streams_.size(), configured_streams(stage_.settings)) > 1;
  }

 private:
  static bool is_vector(const json& value) {
    return value.is_array() &&
           std::ranges::all_of(value, [](const json& number) { return number.is_number() || number.is_null(); });
  }

  void count_line(double step, std::size_t streams) {
    if (lines_ > 0) least_distance_ = std::min(least_distance_, step - last_line_);
    last_line_ = step;
    most_streams_ = std::max(most_streams_, streams);
    ++lines_;
  }

  // The first value of a later stage leaves a gap to the stage before.
  void add(Series& series, double step, double value) const {
    if (!series.empty() && series.back().x <= stage_.first_step && stage_.first_step > 0) {
      series.push_back({stage_.first_step, kGap});
    }
    series.push_back({step, value});
  }

  TrainingLog& log_;
  Stage& stage_;
  // Of lines with values by stream.
  std::set<std::string> streams_;
  std::size_t lines_ = 0;
  std::size_t most_streams_ = 0;  // in one of them
  double last_line_ = 0;          // its step
  double least_distance_ = std::numeric_limits<double>::infinity();
};

}  // namespace

std::span<const Point> TrainingLog::scalar(std::string_view tag) const {
  const auto found = scalars.find(tag);
  return found == scalars.end() ? std::span<const Point>() : found->second;
}

std::span<const Frame> TrainingLog::vector(std::string_view tag) const {
  const auto found = vectors.find(tag);
  return found == vectors.end() ? std::span<const Frame>() : found->second;
}

std::vector<std::pair<std::string, std::span<const Point>>> TrainingLog::scalars_of(std::string_view prefix,
                                                                                    std::string_view suffix) const {
  std::vector<std::pair<std::string, std::span<const Point>>> found;
  for (const auto& [tag, series] : scalars) {
    if (tag.size() <= prefix.size() + suffix.size() || !tag.starts_with(prefix) || !tag.ends_with(suffix)) continue;
    found.emplace_back(tag.substr(prefix.size(), tag.size() - prefix.size() - suffix.size()), series);
  }
  return found;
}

Result<TrainingLog> read_training_log(std::span<const std::string> runs) {
  TrainingLog log;
  for (const std::string& run : runs) {
    BITMAR_TRY(const fs::path path, find_log(run));
    BITMAR_TRY(const MappedFile file, MappedFile::open(path.string()));
    const std::string_view text = as_text(file.bytes());
    const std::string_view finished = text.substr(0, text.rfind('\n') + 1);
    Stage stage{.name = stage_name(path), .settings = read_settings(path)};
    stage.first_step = stage.last_step = log.stages.empty() ? 0 : log.stages.back().last_step;
    StageReader reader(log, stage);
    BITMAR_TRY_VOID(
        parse_json_lines(finished, path.string(), [&](const JsonRecord& record) { return reader.read(record); }));
    reader.finish();
    log.stages.push_back(std::move(stage));
  }
  return log;
}

}  // namespace bitmar::report
