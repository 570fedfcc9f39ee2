// Progress of long work on standard error: a bar that redraws itself on a terminal, a plain line every few seconds
// elsewhere. Results go to standard output, so the two never mix.
//
//   Progress progress("features", photos.size());
//   progress.update(done);
//   progress.finish();
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace bitmar::cli {

class Progress {
 public:
  // `unit` names what is counted, in the plural: "photos".
  Progress(std::string unit, std::uint64_t total);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // `done` of the total. The first call may be above 0 (work that an earlier run did): it sets where the rate counts
  // from.
  void update(std::uint64_t done);
  // Shows the final state; later calls do nothing. The destructor only ends the bar's line.
  void finish();

 private:
  using Clock = std::chrono::steady_clock;
  void show(Clock::time_point now);

  std::string unit_;
  std::uint64_t total_;
  std::uint64_t done_ = 0;
  std::optional<std::uint64_t> first_done_;
  bool terminal_;
  bool drawn_ = false;
  bool finished_ = false;
  Clock::time_point start_;
  Clock::time_point last_shown_;
};

// 75 -> "1:15", 3675 -> "1:01:15".
[[nodiscard]] std::string format_duration(double seconds);

}  // namespace bitmar::cli
