#include "eval/statistics/paired.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <numeric>
#include <utility>

namespace bitmar {
namespace {

double mean_over_strata(std::span<const std::uint32_t> strata, std::span<const std::uint32_t> items,
                        std::span<const double> values) {
  if (strata.empty()) return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
  const std::size_t count = std::size_t{std::ranges::max(strata)} + 1;
  std::vector<double> sums(count), sizes(count);
  for (std::size_t i = 0; i < items.size(); ++i) {
    sums[strata[items[i]]] += values[i];
    sizes[strata[items[i]]] += 1.0;
  }
  double sum = 0.0, present = 0.0;
  for (std::size_t stratum = 0; stratum < count; ++stratum) {
    if (sizes[stratum] == 0.0) continue;
    sum += sums[stratum] / sizes[stratum];
    present += 1.0;
  }
  return sum / present;
}

// The two runs side by side, any items of them, in either order.
class Pairs {
 public:
  Pairs(const ItemValues& first, const ItemValues& second)
      : first_(first),
        second_(second),
        drawn_{std::vector<double>(first.values.size()), std::vector<double>(first.values.size())} {}

  // first - second of these items, the runs swapped for those that `swapped` says.
  template <typename Swapped>
  double difference(std::span<const std::uint32_t> items, const Swapped& swapped) {
    const std::size_t width = first_.width;
    for (std::size_t i = 0; i < items.size(); ++i) {
      const bool swap = swapped(i);
      const std::size_t from = items[i] * width;
      for (std::size_t k = 0; k < width; ++k) {
        drawn_[swap][i * width + k] = first_.values[from + k];
        drawn_[!swap][i * width + k] = second_.values[from + k];
      }
    }
    return score(items, drawn_[0]) - score(items, drawn_[1]);
  }

 private:
  [[nodiscard]] double score(std::span<const std::uint32_t> items, std::span<const double> values) const {
    return first_.statistic ? first_.statistic(items, values) : mean_over_strata(first_.strata, items, values);
  }

  const ItemValues& first_;
  const ItemValues& second_;
  std::vector<double> drawn_[2];  // [items, width] of what stands first, and second
};

std::vector<std::uint32_t> all_items(std::size_t count) {
  std::vector<std::uint32_t> items(count);
  std::iota(items.begin(), items.end(), 0u);
  return items;
}

// The items of each stratum.
std::vector<std::vector<std::uint32_t>> items_by_stratum(const ItemValues& values) {
  std::vector<std::vector<std::uint32_t>> strata;
  for (std::uint32_t item = 0; item < values.items(); ++item) {
    const std::size_t stratum = values.strata.empty() ? 0 : values.strata[item];
    if (stratum >= strata.size()) strata.resize(stratum + 1);
    strata[stratum].push_back(item);
  }
  return strata;
}

}  // namespace

double ratio_of_sums(std::span<const std::uint32_t>, std::span<const double> values) {
  double above = 0.0, below = 0.0;
  for (std::size_t i = 0; i < values.size(); i += 2) {
    above += values[i];
    below += values[i + 1];
  }
  return below != 0.0 ? above / below : 0.0;
}

double score_of(const ItemValues& values) {
  const auto items = all_items(values.items());
  return values.statistic ? values.statistic(items, values.values)
                          : mean_over_strata(values.strata, items, values.values);
}

PairedDifference paired_difference(const ItemValues& first, const ItemValues& second, const BootstrapOptions& options) {
  assert(first.values.size() == second.values.size() && first.width == second.width && !first.values.empty());
  assert(first.strata == second.strata && options.resamples > 0);
  Pairs pairs(first, second);
  const auto items = all_items(first.items());
  PairedDifference result;
  result.difference = pairs.difference(items, [](std::size_t) { return false; });
  result.interval = bootstrap(
      items_by_stratum(first),
      [&](std::span<const std::uint32_t> drawn) { return pairs.difference(drawn, [](std::size_t) { return false; }); },
      options);
  Random random(options.seed);
  const double observed = std::abs(result.difference) * (1 - 1e-12);  // other orders of the same sums count as equal
  std::size_t as_far = 0;
  std::uint64_t signs = 0;
  for (std::size_t draw = 0; draw < options.resamples; ++draw) {
    const double swapped = pairs.difference(items, [&](std::size_t i) {
      if (i % 64 == 0) signs = random.next();
      return ((signs >> (i % 64)) & 1) == 0;
    });
    as_far += std::abs(swapped) >= observed;
  }
  // The data itself is one of the permutations, so that p is never 0.
  result.p_value = static_cast<double>(as_far + 1) / static_cast<double>(options.resamples + 1);
  return result;
}

}  // namespace bitmar
