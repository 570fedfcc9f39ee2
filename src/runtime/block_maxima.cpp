#include "runtime/block_maxima.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <limits>

namespace bitmar {
namespace {

constexpr std::size_t kLanes = BlockMaxima::kLanes;

// The maxima of the columns of [rows, kLanes].
void column_maxima(const float* values, std::size_t rows, float* maxima) {
  std::array<float, kLanes> largest;
  largest.fill(-std::numeric_limits<float>::infinity());
  for (std::size_t row = 0; row < rows; ++row) {
    const float* const lanes = values + row * kLanes;
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      largest[lane] = lanes[lane] > largest[lane] ? lanes[lane] : largest[lane];
    }
  }
  std::ranges::copy(largest, maxima);
}

}  // namespace

void BlockMaxima::set(std::span<const float> values) {
  assert(!values.empty() && (values.size() + kChunk - 1) / kChunk * kLanes == maxima_.size());
  const std::size_t chunks = values.size() / kChunk;
  for (std::size_t chunk = 0; chunk < chunks; ++chunk) {
    column_maxima(values.data() + chunk * kChunk, kRows, maxima_.data() + chunk * kLanes);
  }
  const auto rest = values.subspan(chunks * kChunk);
  if (!rest.empty()) {
    float* const maxima = maxima_.data() + chunks * kLanes;
    const std::size_t rows = rest.size() / kLanes;
    column_maxima(rest.data(), rows, maxima);
    for (std::size_t lane = 0; rows * kLanes + lane < rest.size(); ++lane) {
      maxima[lane] = std::max(maxima[lane], rest[rows * kLanes + lane]);
    }
  }
  largest_ = *std::ranges::max_element(maxima_);
}

}  // namespace bitmar
