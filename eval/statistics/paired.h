// Two runs on the same items compared item by item: how far apart their scores are, and how often chance alone would
// put them that far apart.
//
//   const PairedDifference effect = paired_difference(values_on, values_off, {.seed = 1});
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "eval/statistics/bootstrap.h"

namespace bitmar {

// What each item of a run adds to the run's score.
struct ItemValues {
  // The score of some of the items: their numbers, and their values [items.size(), width].
  using Statistic = std::function<double(std::span<const std::uint32_t> items, std::span<const double> values)>;

  std::size_t width = 1;
  std::vector<double> values = {};         // [items, width]
  std::vector<std::uint32_t> strata = {};  // [items]: of which part each is; empty: there is one
  Statistic statistic = {};                // empty: the mean over the strata of the mean value of each

  [[nodiscard]] std::size_t items() const { return values.size() / width; }
};

// A statistic of width 2: the sum of the items' first values over that of their second ones, 0 where that is 0. Of
// losses and tokens it is the loss a token; of what was found rightly, twice, and what was found or to be found, F1.
[[nodiscard]] double ratio_of_sums(std::span<const std::uint32_t> items, std::span<const double> values);

// The score of all the items. At least one item.
[[nodiscard]] double score_of(const ItemValues& values);

struct PairedDifference {
  double difference = 0;  // the first's score - the second's
  Interval interval;      // bootstrap over the items, 95 %; strata are resampled within themselves
  double p_value = 1;  // two-sided, of the permutation test that swaps the runs item by item: the share of swaps that
                       // put them at least as far apart
};

// Of the same items, at least one, with the same strata; the first's statistic is that of both.
[[nodiscard]] PairedDifference paired_difference(const ItemValues& first, const ItemValues& second,
                                                 const BootstrapOptions& options);

}  // namespace bitmar
