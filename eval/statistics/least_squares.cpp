#include "eval/statistics/least_squares.h"

#include <cassert>
#include <cmath>
#include <numeric>

namespace bitmar {
namespace {

// What is left of a column counts as rounding below this share of its length.
constexpr double kDependent = 1e-9;

double product(std::span<const double> a, std::span<const double> b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

std::vector<double> centred(std::span<const double> values) {
  const double mean = std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
  std::vector<double> result(values.begin(), values.end());
  for (double& value : result) value -= mean;
  return result;
}

}  // namespace

void standardize(std::vector<double>& values) {
  values = centred(values);
  const double deviation = std::sqrt(product(values, values) / static_cast<double>(values.size()));
  for (double& value : values) value = deviation > 0 ? value / deviation : 0;
}

// Gram-Schmidt, each column twice against the basis of those before it ("twice is enough", Giraud et al. 2005); R² is
// the share of y's squares along the basis. Centring all stands for the intercept.
ExplainedVariance explained_variance(std::span<const std::vector<double>> columns, std::span<const double> y) {
  assert(!columns.empty());
  const std::vector<double> target = centred(y);
  const double squares = product(target, target);
  ExplainedVariance explained;
  if (squares == 0) return explained;
  std::vector<std::vector<double>> basis;
  for (const std::vector<double>& column : columns) {
    assert(column.size() == y.size());
    explained.without_last = explained.with_last;
    std::vector<double> rest = centred(column);
    const double length = std::sqrt(product(rest, rest));
    for (int pass = 0; pass < 2; ++pass) {
      for (const auto& direction : basis) {
        const double along = product(rest, direction);
        for (std::size_t i = 0; i < rest.size(); ++i) rest[i] -= along * direction[i];
      }
    }
    const double left = std::sqrt(product(rest, rest));
    if (left <= kDependent * length) continue;
    for (double& value : rest) value /= left;
    const double along = product(rest, target);
    explained.with_last += along * along / squares;
    basis.push_back(std::move(rest));
  }
  return explained;
}

}  // namespace bitmar
