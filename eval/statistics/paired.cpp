#include "eval/statistics/paired.h"

#include <cassert>
#include <cmath>
#include <vector>

namespace bitmar {

PairedDifference paired_difference(std::span<const double> first, std::span<const double> second,
                                   const BootstrapOptions& options) {
  assert(first.size() == second.size() && !first.empty());
  std::vector<double> differences(first.size());
  double sum = 0.0;
  for (std::size_t i = 0; i < first.size(); ++i) {
    differences[i] = first[i] - second[i];
    sum += differences[i];
  }
  const auto count = static_cast<double>(differences.size());
  PairedDifference result;
  result.difference = sum / count;
  result.interval = bootstrap(
      differences.size(),
      [&](std::span<const std::uint32_t> indices) {
        double resampled = 0.0;
        for (const std::uint32_t index : indices) resampled += differences[index];
        return resampled / count;
      },
      options);
  Random random(options.seed);
  const double observed = std::abs(sum) * (1 - 1e-12);  // sums of other orders of the same terms count as equal
  std::size_t as_far = 0;
  for (std::size_t draw = 0; draw < options.resamples; ++draw) {
    double flipped = 0.0;
    std::uint64_t signs = 0;
    for (std::size_t i = 0; i < differences.size(); ++i) {
      if (i % 64 == 0) signs = random.next();
      flipped += (signs >> (i % 64)) & 1 ? differences[i] : -differences[i];
    }
    as_far += std::abs(flipped) >= observed;
  }
  // The data itself is one of the permutations, so that p is never 0.
  result.p_value = static_cast<double>(as_far + 1) / static_cast<double>(options.resamples + 1);
  return result;
}

}  // namespace bitmar
