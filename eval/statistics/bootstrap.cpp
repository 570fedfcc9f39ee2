#include "eval/statistics/bootstrap.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <numeric>

namespace bitmar {
namespace {

// Linear interpolation between the closest ranks of sorted values.
double quantile(std::span<const double> sorted, double fraction) {
  const double place = fraction * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return std::lerp(sorted[below], sorted[above], place - static_cast<double>(below));
}

double mean(std::span<const double> values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

Interval interval_of(std::vector<double> values) {
  std::ranges::sort(values);
  return {quantile(values, 0.025), quantile(values, 0.975)};
}

}  // namespace

Interval bootstrap(std::size_t items, const ResampledStatistic& statistic, const BootstrapOptions& options) {
  std::vector<std::uint32_t> all(items);
  std::iota(all.begin(), all.end(), 0u);
  return bootstrap({&all, 1}, statistic, options);
}

Interval bootstrap(std::span<const std::vector<std::uint32_t>> strata, const ResampledStatistic& statistic,
                   const BootstrapOptions& options) {
  assert(options.resamples > 0);
  std::size_t items = 0;
  for (const auto& stratum : strata) items += stratum.size();
  assert(items > 0);
  Random random(options.seed);
  std::vector<std::uint32_t> indices(items);
  std::vector<double> values(options.resamples);
  for (double& value : values) {
    auto next = indices.begin();
    for (const auto& stratum : strata) {
      for (std::size_t i = 0; i < stratum.size(); ++i) *next++ = stratum[random.below(stratum.size())];
    }
    value = statistic(indices);
  }
  return interval_of(std::move(values));
}

double mean_of_means(std::span<const std::vector<double>> groups) {
  double sum = 0.0;
  for (const auto& group : groups) sum += mean(group);
  return sum / static_cast<double>(groups.size());
}

Interval bootstrap_mean_of_means(std::span<const std::vector<double>> groups, const BootstrapOptions& options) {
  assert(!groups.empty() && options.resamples > 0);
  Random random(options.seed);
  std::vector<double> values(options.resamples);
  for (double& value : values) {
    for (const auto& group : groups) {
      double sum = 0.0;
      for (std::size_t i = 0; i < group.size(); ++i) sum += group[random.below(group.size())];
      value += sum / static_cast<double>(group.size());
    }
    value /= static_cast<double>(groups.size());
  }
  return interval_of(std::move(values));
}

}  // namespace bitmar
