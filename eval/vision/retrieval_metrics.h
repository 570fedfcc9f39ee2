// Recall@k of retrieval: how often something right is among the first k of a ranking.
//
//   const double hit = recall_at(10, similarities, right);      // 1, 0, or a probability where values tie
#pragma once

#include <cstddef>
#include <span>

namespace bitmar {

// The probability that one of the candidates marked `right` is among the k of the largest `similarities`, where equal
// values stand in random order. Equally many of both, at least one is right.
[[nodiscard]] double recall_at(std::size_t k, std::span<const float> similarities, std::span<const bool> right);

// The same of a random ranking of `candidates`, `right` of which are right.
[[nodiscard]] double chance_recall(std::size_t k, std::size_t candidates, std::size_t right);

}  // namespace bitmar
