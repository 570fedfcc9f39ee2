#include "eval/statistics/correlation.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <vector>

namespace bitmar {
namespace {

std::vector<double> ranks_of(std::span<const double> values) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(order, {}, [&](std::size_t i) { return values[i]; });
  std::vector<double> ranks(values.size());
  for (std::size_t first = 0; first < order.size();) {
    std::size_t end = first + 1;
    while (end < order.size() && values[order[end]] == values[order[first]]) ++end;
    const double shared = static_cast<double>(first + end - 1) / 2.0;
    for (std::size_t i = first; i < end; ++i) ranks[order[i]] = shared;
    first = end;
  }
  return ranks;
}

}  // namespace

double spearman(std::span<const double> x, std::span<const double> y) {
  assert(x.size() == y.size());
  const std::vector<double> a = ranks_of(x);
  const std::vector<double> b = ranks_of(y);
  const double middle = (static_cast<double>(a.size()) - 1.0) / 2.0;
  double covariance = 0.0;
  double variance_a = 0.0;
  double variance_b = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    covariance += (a[i] - middle) * (b[i] - middle);
    variance_a += (a[i] - middle) * (a[i] - middle);
    variance_b += (b[i] - middle) * (b[i] - middle);
  }
  if (variance_a == 0.0 || variance_b == 0.0) return 0.0;
  return covariance / std::sqrt(variance_a * variance_b);
}

}  // namespace bitmar
