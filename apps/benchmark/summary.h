// Several timings of one thing, as three numbers.
//
//   const Summary times = summarize(samples);
//   times.median, times.minimum, times.spread()
#pragma once

#include <span>

namespace bitmar {

struct Summary {
  double median = 0;
  double minimum = 0;
  // How much longer than the best run the middle one took, as a share: near 0 on a quiet machine.
  [[nodiscard]] double spread() const { return minimum > 0 ? median / minimum - 1 : 0; }
};

// At least one sample. The median of an even number is the mean of the two in the middle.
[[nodiscard]] Summary summarize(std::span<const double> samples);

}  // namespace bitmar
