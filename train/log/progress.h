// Progress of long work: a bar that redraws itself on a terminal, plain lines at intervals otherwise.
//
//   Progress progress(stderr, "train", 6000);
//   progress.update(step, tokens_so_far, "loss 3.21");
#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

namespace bitmar {

class Progress {
 public:
  // `first`: units that are done before the clock starts (a resumed run). `interval` between plain lines, in seconds.
  Progress(std::FILE* out, std::string name, std::uint64_t total, std::uint64_t first = 0, double interval = 10.0);
  // `tokens` since the start, 0 if not counted; `note` stands at the end of the line.
  void update(std::uint64_t done, std::uint64_t tokens, std::string_view note);
  // Ends the bar's line, so that a message can be printed; the next update draws it anew.
  void interrupt();
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

 private:
  using Clock = std::chrono::steady_clock;
  std::FILE* out_;
  std::string name_;
  std::uint64_t total_;
  std::uint64_t first_;
  double interval_;
  bool terminal_;
  bool open_line_ = false;
  Clock::time_point start_;
  Clock::time_point last_;
};

// "1.2 M", "34.5 k", "900".
[[nodiscard]] std::string short_count(double value);
// "1:02:03", "2:03"; "?" where not finite.
[[nodiscard]] std::string short_duration(double seconds);
// The line without its carriage return: "train  [####....] 40%  2400/6000  12.3 k tok/s  ETA 3:20  loss 3.21"; `bar`
// chooses between that and the plain form without the bar.
[[nodiscard]] std::string progress_line(std::string_view name, std::uint64_t done, std::uint64_t total,
                                        double tokens_per_second, double seconds_left, std::string_view note, bool bar);

}  // namespace bitmar
