#include "eval/vision/retrieval_metrics.h"

#include <algorithm>
#include <cassert>
#include <limits>

namespace bitmar {

double recall_at(std::size_t k, std::span<const float> similarities, std::span<const bool> right) {
  assert(similarities.size() == right.size());
  float best = -std::numeric_limits<float>::infinity();
  for (std::size_t i = 0; i < right.size(); ++i) {
    if (right[i]) best = std::max(best, similarities[i]);
  }
  std::size_t above = 0;
  std::size_t equal = 0;
  std::size_t right_equal = 0;
  for (std::size_t i = 0; i < right.size(); ++i) {
    above += similarities[i] > best;
    equal += similarities[i] == best;
    right_equal += similarities[i] == best && right[i];
  }
  return above >= k ? 0.0 : chance_recall(k - above, equal, right_equal);
}

double chance_recall(std::size_t k, std::size_t candidates, std::size_t right) {
  assert(right >= 1 && right <= candidates);
  // All k drawn are wrong: product over draws of wrong left / candidates left.
  double missed = 1.0;
  for (std::size_t drawn = 0; drawn < k; ++drawn) {
    if (drawn >= candidates - right) return 1.0;
    missed *= static_cast<double>(candidates - right - drawn) / static_cast<double>(candidates - drawn);
  }
  return 1.0 - missed;
}

}  // namespace bitmar
