// Two runs on the same items compared item by item: how far apart they are, and how often chance alone would put them
// that far apart.
//
//   const PairedDifference effect = paired_difference(credits_on, credits_off, {.seed = 1});
#pragma once

#include <span>

#include "eval/statistics/bootstrap.h"

namespace bitmar {

struct PairedDifference {
  double difference = 0;  // mean of first - second
  Interval interval;      // bootstrap over the items, 95 %
  double p_value = 1;     // two-sided, of the sign-flip permutation test: the share of flips at least as far from 0
};

// first and second hold a value an item, equally many, at least one.
[[nodiscard]] PairedDifference paired_difference(std::span<const double> first, std::span<const double> second,
                                                 const BootstrapOptions& options);

}  // namespace bitmar
