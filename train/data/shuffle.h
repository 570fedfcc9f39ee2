// A uniform random order (Fisher-Yates), the same on every machine.
#pragma once

#include <cstddef>
#include <span>
#include <utility>

#include "base/random.h"

namespace bitmar {

template <typename T>
void shuffle(std::span<T> values, Random& random) {
  for (std::size_t i = values.size(); i > 1; --i) std::swap(values[i - 1], values[random.below(i)]);
}

}  // namespace bitmar
