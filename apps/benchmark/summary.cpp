#include "apps/benchmark/summary.h"

#include <algorithm>
#include <cassert>
#include <vector>

namespace bitmar {

Summary summarize(std::span<const double> samples) {
  assert(!samples.empty());
  std::vector<double> sorted(samples.begin(), samples.end());
  std::ranges::sort(sorted);
  const std::size_t middle = sorted.size() / 2;
  const double median = sorted.size() % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  return {median, sorted.front()};
}

}  // namespace bitmar
