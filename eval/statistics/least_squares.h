// Ordinary least squares: how much of a variable others explain.
#pragma once

#include <span>
#include <vector>

namespace bitmar {

struct ExplainedVariance {
  double without_last = 0;  // R² of an intercept and all columns but the last
  double with_last = 0;     // R² of all columns
};

// columns: of y's length, at least one. A column that the ones before it explain (to rounding) adds nothing. Columns of
// very different sizes cost digits: standardize them before.
[[nodiscard]] ExplainedVariance explained_variance(std::span<const std::vector<double>> columns,
                                                   std::span<const double> y);

// Mean 0 and standard deviation 1; a constant becomes zeros.
void standardize(std::vector<double>& values);

}  // namespace bitmar
