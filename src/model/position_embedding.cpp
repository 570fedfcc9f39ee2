#include "model/position_embedding.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstddef>

namespace bitmar {
namespace {

// One output point along one axis: weights over source points, which may repeat at the border.
struct Taps {
  std::vector<std::uint32_t> sources;
  std::vector<double> weights;
};

// Keys' cubic convolution kernel (Keys 1981), support 2.
double cubic(double x, double a) {
  x = std::abs(x);
  if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
  if (x < 2.0) return ((a * x - 5.0 * a) * x + 8.0 * a) * x - 4.0 * a;
  return 0.0;
}

Taps plain_taps(std::uint32_t index, std::uint32_t from, double scale) {
  const double centre = (index + 0.5) * scale - 0.5;
  const double floor = std::floor(centre);
  Taps taps;
  for (int offset = -1; offset <= 2; ++offset) {
    const double source = std::clamp(floor + offset, 0.0, static_cast<double>(from - 1));
    taps.sources.push_back(static_cast<std::uint32_t>(source));
    taps.weights.push_back(cubic(centre - (floor + offset), -0.75));
  }
  return taps;
}

Taps antialiased_taps(std::uint32_t index, std::uint32_t from, double scale) {
  const double stretch = std::max(scale, 1.0);
  const double support = 2.0 * stretch;
  const double centre = (index + 0.5) * scale;
  const auto first = static_cast<std::uint32_t>(std::max(centre - support + 0.5, 0.0));
  const auto last = static_cast<std::uint32_t>(std::min(centre + support + 0.5, static_cast<double>(from)));
  Taps taps;
  double sum = 0.0;
  for (std::uint32_t source = first; source < last; ++source) {
    const double weight = cubic((source - centre + 0.5) / stretch, -0.5);
    taps.sources.push_back(source);
    taps.weights.push_back(weight);
    sum += weight;
  }
  for (double& weight : taps.weights) weight /= sum;
  return taps;
}

}  // namespace

std::vector<float> resample_position_grid(std::span<const float> embedding, std::uint32_t from, std::uint32_t to,
                                          std::uint32_t width, bool antialias) {
  assert(embedding.size() == static_cast<std::size_t>(from) * from * width);
  if (from == to) return {embedding.begin(), embedding.end()};
  const double scale = static_cast<double>(from) / to;
  std::vector<Taps> taps;
  for (std::uint32_t index = 0; index < to; ++index) {
    taps.push_back(antialias ? antialiased_taps(index, from, scale) : plain_taps(index, from, scale));
  }
  // The grid is square, so both axes use the same taps; doubles make the order of the passes irrelevant.
  std::vector<float> result;
  result.reserve(static_cast<std::size_t>(to) * to * width);
  std::vector<double> sums(width);
  for (std::uint32_t row = 0; row < to; ++row) {
    for (std::uint32_t column = 0; column < to; ++column) {
      std::ranges::fill(sums, 0.0);
      for (std::size_t i = 0; i < taps[row].sources.size(); ++i) {
        for (std::size_t j = 0; j < taps[column].sources.size(); ++j) {
          const double weight = taps[row].weights[i] * taps[column].weights[j];
          const std::size_t source = static_cast<std::size_t>(taps[row].sources[i]) * from + taps[column].sources[j];
          const auto values = embedding.subspan(source * width, width);
          for (std::uint32_t k = 0; k < width; ++k) sums[k] += weight * values[k];
        }
      }
      for (const double sum : sums) result.push_back(static_cast<float>(sum));
    }
  }
  return result;
}

}  // namespace bitmar
