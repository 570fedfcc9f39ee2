#include "runtime/block_maxima.h"

#include <algorithm>
#include <cassert>

namespace bitmar {

void BlockMaxima::set(const Kernels& kernels, std::span<const float> values) {
  assert(!values.empty() && (values.size() + kChunk - 1) / kChunk * kLanes == maxima_.size());
  const std::size_t rows = values.size() / kLanes;
  for (std::size_t row = 0, chunk = 0; row <= rows && chunk * kLanes < maxima_.size(); row += kRows, ++chunk) {
    const auto maxima = std::span(maxima_).subspan(chunk * kLanes, kLanes);
    column_maxima(kernels, values.subspan(row * kLanes, std::min(kRows, rows - row) * kLanes), maxima);
  }
  const auto rest = values.subspan(rows * kLanes);
  const auto last = std::span(maxima_).last(kLanes);
  for (std::size_t lane = 0; lane < rest.size(); ++lane) last[lane] = std::max(last[lane], rest[lane]);
  largest_ = maxima_[row_max_index(kernels, maxima_)];
}

}  // namespace bitmar
