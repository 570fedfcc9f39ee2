// Rank correlation.
#pragma once

#include <span>

namespace bitmar {

// Spearman's rho of two lists of equal length: Pearson's correlation of their ranks, equal values sharing the mean of
// theirs. 0 where either list is constant, or shorter than 2: there is no order to agree on.
[[nodiscard]] double spearman(std::span<const double> x, std::span<const double> y);

}  // namespace bitmar
