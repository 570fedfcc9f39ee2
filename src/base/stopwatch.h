// Microseconds since the last look.
//
//   Stopwatch watch;
//   encode();
//   const double encoding = watch.lap();
#pragma once

#include <chrono>

namespace bitmar {

class Stopwatch {
 public:
  // Since construction or the last call.
  double lap() {
    const auto now = Clock::now();
    const std::chrono::duration<double, std::micro> elapsed = now - last_;
    last_ = now;
    return elapsed.count();
  }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point last_ = Clock::now();
};

}  // namespace bitmar
