#include "log/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace bitmar {
namespace {

constexpr double kRedrawSeconds = 0.1;

}  // namespace

std::string short_count(double value) {
  if (value >= 1e9) return fmt::format("{:.1f} G", value / 1e9);
  if (value >= 1e6) return fmt::format("{:.1f} M", value / 1e6);
  if (value >= 1e3) return fmt::format("{:.1f} k", value / 1e3);
  return fmt::format("{:.0f}", value);
}

std::string short_duration(double seconds) {
  if (!std::isfinite(seconds) || seconds < 0) return "?";
  const auto whole = static_cast<std::uint64_t>(std::llround(seconds));
  if (whole >= 3600) return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
  return fmt::format("{}:{:02}", whole / 60, whole % 60);
}

std::string progress_line(std::string_view name, std::uint64_t done, std::uint64_t total, double tokens_per_second,
                          double seconds_left, std::string_view note, bool bar) {
  constexpr std::size_t kWidth = 24;
  const double share = total == 0 ? 1.0 : std::min(1.0, static_cast<double>(done) / static_cast<double>(total));
  std::string line(name);
  if (bar) {
    const auto filled = static_cast<std::size_t>(share * kWidth);
    line += fmt::format("  [{}{}]", std::string(filled, '#'), std::string(kWidth - filled, '.'));
  }
  line += fmt::format("  {:3.0f}%  {}/{}", std::floor(share * 100), done, total);
  if (tokens_per_second > 0) line += fmt::format("  {} tok/s", short_count(tokens_per_second));
  line += fmt::format("  ETA {}", short_duration(seconds_left));
  if (!note.empty()) line += fmt::format("  {}", note);
  return line;
}

Progress::Progress(std::FILE* out, std::string name, std::uint64_t total, std::uint64_t first, double interval)
    : out_(out),
      name_(std::move(name)),
      total_(total),
      first_(first),
      interval_(interval),
      terminal_(::isatty(::fileno(out)) != 0),
      start_(Clock::now()),
      last_(start_) {}

void Progress::update(std::uint64_t done, std::uint64_t tokens, std::string_view note) {
  const auto now = Clock::now();
  const double since_last = std::chrono::duration<double>(now - last_).count();
  if (done < total_ && since_last < (terminal_ ? kRedrawSeconds : interval_)) return;
  last_ = now;
  const double elapsed = std::chrono::duration<double>(now - start_).count();
  const double units = done > first_ ? static_cast<double>(done - first_) : 0.0;
  const double left = units > 0 ? elapsed / units * static_cast<double>(total_ - std::min(done, total_))
                                : std::numeric_limits<double>::infinity();
  const double rate = elapsed > 0 ? static_cast<double>(tokens) / elapsed : 0.0;
  const std::string line = progress_line(name_, done, total_, rate, left, note, terminal_);
  fmt::print(out_, "{}{}{}", terminal_ ? "\r" : "", line, terminal_ ? "\x1b[K" : "\n");
  std::fflush(out_);
  open_line_ = terminal_;
}

void Progress::interrupt() {
  if (open_line_) fmt::print(out_, "\n");
  open_line_ = false;
}

Progress::~Progress() {
  interrupt();
}

}  // namespace bitmar
