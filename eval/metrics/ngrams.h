// The n-grams of a sentence, as BLEU and CIDEr count them.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <unordered_map>
#include <vector>

namespace bitmar {

inline constexpr std::size_t kNgramOrders = 4;

using Words = std::vector<std::string>;
// Counts of n = 1..4 words; the words of an n-gram are joined by a space, which no word contains.
using NgramCounts = std::array<std::unordered_map<std::string, double>, kNgramOrders>;

[[nodiscard]] inline NgramCounts count_ngrams(const Words& words) {
  NgramCounts counts;
  for (std::size_t first = 0; first < words.size(); ++first) {
    std::string ngram;
    for (std::size_t order = 0; order < kNgramOrders && first + order < words.size(); ++order) {
      if (order > 0) ngram += ' ';
      ngram += words[first + order];
      counts[order][ngram] += 1.0;
    }
  }
  return counts;
}

}  // namespace bitmar
