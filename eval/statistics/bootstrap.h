// Percentile bootstrap (Efron 1979): how far a score could have come out otherwise on other items of the same kind.
//
//   const Interval interval = bootstrap_mean(groups, {.seed = 1});
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "base/random.h"

namespace bitmar {

// The middle 95 % of the resampled values.
struct Interval {
  double low = 0;
  double high = 0;
};

struct BootstrapOptions {
  std::uint64_t seed = 1;
  std::size_t resamples = 1000;
};

// `statistic` of resamples of `items` things, drawn with replacement: it gets their indices. Not of 0 things.
using ResampledStatistic = std::function<double(std::span<const std::uint32_t> indices)>;
[[nodiscard]] Interval bootstrap(std::size_t items, const ResampledStatistic& statistic,
                                 const BootstrapOptions& options);
// The same of things in strata, each resampled within itself; the statistic gets as many indices as there are things.
[[nodiscard]] Interval bootstrap(std::span<const std::vector<std::uint32_t>> strata,
                                 const ResampledStatistic& statistic, const BootstrapOptions& options);

// The unweighted mean over groups of the mean over each group's values, and its interval, for which every group is
// resampled within itself. One group: a plain mean. No group is empty.
[[nodiscard]] double mean_of_means(std::span<const std::vector<double>> groups);
[[nodiscard]] Interval bootstrap_mean_of_means(std::span<const std::vector<double>> groups,
                                               const BootstrapOptions& options);

}  // namespace bitmar
