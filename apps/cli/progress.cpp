#include "progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <utility>

namespace bitmar::cli {
namespace {

constexpr auto kRedrawInterval = std::chrono::milliseconds(100);
constexpr auto kLineInterval = std::chrono::seconds(5);
constexpr std::uint64_t kBarWidth = 30;

}  // namespace

std::string format_duration(double seconds) {
  const auto whole = static_cast<std::uint64_t>(std::llround(std::clamp(seconds, 0.0, 1e9)));
  if (whole < 3600) return fmt::format("{}:{:02}", whole / 60, whole % 60);
  return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
}

Progress::Progress(std::string unit, std::uint64_t total)
    : unit_(std::move(unit)),
      total_(total),
      terminal_(::isatty(STDERR_FILENO) == 1),
      start_(Clock::now()),
      last_shown_(start_) {}

Progress::~Progress() {
  if (drawn_ && !finished_) std::fputc('\n', stderr);
}

void Progress::update(std::uint64_t done) {
  done_ = done;
  const auto now = Clock::now();
  if (!first_done_) {
    first_done_ = done;
    start_ = now;
    if (terminal_) show(now);
    return;
  }
  const Clock::duration interval = terminal_ ? Clock::duration(kRedrawInterval) : Clock::duration(kLineInterval);
  if (now - last_shown_ >= interval) show(now);
}

void Progress::finish() {
  if (finished_) return;
  show(Clock::now());
  if (terminal_) std::fputc('\n', stderr);
  finished_ = true;
}

void Progress::show(Clock::time_point now) {
  last_shown_ = now;
  const double elapsed = std::chrono::duration<double>(now - start_).count();
  const std::uint64_t here = done_ - std::min(done_, first_done_.value_or(0));
  const double rate = elapsed > 0 ? static_cast<double>(here) / elapsed : 0.0;
  std::string text = fmt::format("{}/{} {}", done_, total_, unit_);
  if (rate > 0) text += fmt::format(", {:.1f}/s", rate);
  if (done_ < total_ && rate > 0) {
    text += fmt::format(", {} left", format_duration(static_cast<double>(total_ - done_) / rate));
  } else if (done_ >= total_) {
    text += fmt::format(", {} in all", format_duration(elapsed));
  }
  if (!terminal_) {
    fmt::print(stderr, "{}\n", text);
    return;
  }
  const std::uint64_t filled = total_ == 0 ? kBarWidth : std::min(kBarWidth, done_ * kBarWidth / total_);
  fmt::print(stderr, "\r[{:#<{}}{:.<{}}] {}\x1b[K", "", filled, "", kBarWidth - filled, text);
  std::fflush(stderr);
  drawn_ = true;
}

}  // namespace bitmar::cli
