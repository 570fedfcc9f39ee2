#include "log/run_log.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <vector>

#include "io/lines.h"
#include "io/mapped_file.h"

namespace bitmar {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

// How many leading bytes of a log are whole lines of steps up to `last`.
std::uint64_t lines_up_to(std::string_view text, std::uint64_t last) {
  std::uint64_t kept = 0;
  for (;;) {
    const std::size_t end = text.find('\n', kept);
    if (end == std::string_view::npos) return kept;
    const auto line = ordered_json::parse(text.substr(kept, end - kept), nullptr, false);
    if (!line.is_object() || !line.contains("step") || !line["step"].is_number_unsigned() ||
        line["step"].get<std::uint64_t>() > last) {
      return kept;
    }
    kept = end + 1;
  }
}

// To four digits, so that it is short in JSON.
double rounded(float value) {
  if (value == 0.0f || !std::isfinite(value)) return value;
  const double unit = std::pow(10.0, 3.0 - std::floor(std::log10(std::abs(static_cast<double>(value)))));
  return std::round(value * unit) / unit;
}

struct Close {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

}  // namespace

struct RunLog::State {
  struct Scalar {
    std::string tag;
    double value;
  };
  struct Text {
    std::string tag, value;
  };
  struct Vector {
    std::string tag;
    std::vector<float> values;
  };
  struct Image {
    std::string tag;
    std::vector<std::uint8_t> pixels;
    std::uint32_t height, width, channels;
  };

  EventWriter events;
  std::string path;
  std::unique_ptr<std::FILE, Close> lines;
  std::vector<Scalar> scalars;
  std::vector<Text> texts;
  std::vector<Vector> vectors, histograms;
  std::vector<Image> images;

  [[nodiscard]] Result<void> write_line(std::uint64_t step) const;
};

RunLog::RunLog(std::unique_ptr<State> state) : state_(std::move(state)) {}
RunLog::RunLog(RunLog&&) noexcept = default;
RunLog& RunLog::operator=(RunLog&&) noexcept = default;
RunLog::~RunLog() = default;

Result<RunLog> RunLog::open(const std::string& directory, std::optional<std::uint64_t> resume_step) {
  BITMAR_TRY(EventWriter events, EventWriter::open(directory, resume_step));
  const std::string path = directory + "/log.jsonl";
  std::uint64_t length = 0;
  std::error_code error;
  if (resume_step && fs::exists(path, error) && fs::file_size(path, error) > 0) {
    BITMAR_TRY(const MappedFile file, MappedFile::open(path));
    length = lines_up_to(as_text(file.bytes()), *resume_step);
  }
  std::FILE* const file = std::fopen(path.c_str(), "ab");
  if (file == nullptr) return fail(ErrorCode::kIo, "{}: cannot write: {}", path, std::strerror(errno));
  auto state = std::make_unique<State>(
      State{std::move(events), path, std::unique_ptr<std::FILE, Close>(file), {}, {}, {}, {}, {}});
  fs::resize_file(path, length, error);
  if (error) return fail(ErrorCode::kIo, "{}: cannot cut it back: {}", path, error.message());
  return RunLog(std::move(state));
}

void RunLog::scalar(std::string_view tag, double value) {
  state_->scalars.push_back({std::string(tag), value});
}

void RunLog::text(std::string_view tag, std::string_view value) {
  state_->texts.push_back({std::string(tag), std::string(value)});
}

void RunLog::vector(std::string_view tag, std::span<const float> values) {
  state_->vectors.push_back({std::string(tag), {values.begin(), values.end()}});
}

void RunLog::histogram(std::string_view tag, std::span<const float> values) {
  state_->histograms.push_back({std::string(tag), {values.begin(), values.end()}});
}

void RunLog::image(std::string_view tag, std::span<const std::uint8_t> pixels, std::uint32_t height,
                   std::uint32_t width, std::uint32_t channels) {
  state_->images.push_back({std::string(tag), {pixels.begin(), pixels.end()}, height, width, channels});
}

void RunLog::heat_map(std::string_view tag, std::span<const float> values, std::uint32_t height, std::uint32_t width) {
  float largest = 0;
  for (const float value : values) {
    if (std::isfinite(value)) largest = std::max(largest, value);
  }
  std::vector<std::uint8_t> pixels(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    const float share = largest > 0 && std::isfinite(values[i]) ? values[i] / largest : 0.0f;
    pixels[i] = static_cast<std::uint8_t>(std::lround(255.0f * std::clamp(share, 0.0f, 1.0f)));
  }
  image(tag, pixels, height, width, 1);
}

Result<void> RunLog::State::write_line(std::uint64_t step) const {
  if (scalars.empty() && texts.empty() && vectors.empty()) return {};
  const double time = std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  ordered_json line = {{"step", step}, {"time", time}};
  for (const Scalar& entry : scalars) line[entry.tag] = entry.value;  // NaN and infinity are written as null
  for (const Text& entry : texts) line[entry.tag] = entry.value;
  for (const Vector& entry : vectors) {
    ordered_json& array = line[entry.tag] = ordered_json::array();
    for (const float value : entry.values) array.push_back(rounded(value));
  }
  const std::string text = line.dump(-1, ' ', false, ordered_json::error_handler_t::replace) + '\n';
  if (std::fwrite(text.data(), 1, text.size(), lines.get()) != text.size() || std::fflush(lines.get()) != 0) {
    return fail(ErrorCode::kIo, "{}: cannot write: {}", path, std::strerror(errno));
  }
  return {};
}

Result<void> RunLog::commit(std::uint64_t step) {
  State& state = *state_;
  BITMAR_TRY_VOID(state.write_line(step));
  for (const auto& entry : state.scalars) BITMAR_TRY_VOID(state.events.scalar(entry.tag, entry.value, step));
  for (const auto& entry : state.texts) BITMAR_TRY_VOID(state.events.text(entry.tag, entry.value, step));
  for (const auto& entry : state.histograms) BITMAR_TRY_VOID(state.events.histogram(entry.tag, entry.values, step));
  for (const auto& entry : state.images) {
    BITMAR_TRY_VOID(state.events.image(entry.tag, entry.pixels, entry.height, entry.width, entry.channels, step));
  }
  state.scalars.clear();
  state.texts.clear();
  state.vectors.clear();
  state.histograms.clear();
  state.images.clear();
  return {};
}

Result<void> RunLog::flush() {
  BITMAR_TRY_VOID(state_->events.flush());
  if (std::fflush(state_->lines.get()) != 0 || ::fsync(::fileno(state_->lines.get())) != 0) {
    return fail(ErrorCode::kIo, "{}: cannot write: {}", state_->path, std::strerror(errno));
  }
  return {};
}

}  // namespace bitmar
