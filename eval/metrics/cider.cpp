#include "eval/metrics/cider.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <unordered_set>
#include <utility>

namespace bitmar {

// A sentence's TF-IDF weights, per order.
struct Cider::Weighted {
  NgramCounts weights;
  std::array<double, kNgramOrders> norm{};
  double length = 0;  // bigrams, as pycocoevalcap counts it
};

Cider::Cider(std::vector<std::vector<Words>> references)
    : references_(std::move(references)), log_documents_(std::log(static_cast<double>(references_.size()))) {
  for (const auto& photo : references_) {
    std::unordered_set<std::string> seen;
    for (const Words& reference : photo) {
      for (const auto& order : count_ngrams(reference)) {
        for (const auto& [ngram, count] : order) seen.insert(ngram);
      }
    }
    for (const auto& ngram : seen) document_frequency_[ngram] += 1.0;
  }
}

Cider::Weighted Cider::weigh(const Words& words) const {
  Weighted weighted;
  weighted.weights = count_ngrams(words);
  for (std::size_t order = 0; order < kNgramOrders; ++order) {
    for (auto& [ngram, value] : weighted.weights[order]) {
      if (order == 1) weighted.length += value;
      const auto found = document_frequency_.find(ngram);
      const double frequency = found == document_frequency_.end() ? 1.0 : std::max(1.0, found->second);
      value *= log_documents_ - std::log(frequency);
      weighted.norm[order] += value * value;
    }
    weighted.norm[order] = std::sqrt(weighted.norm[order]);
  }
  return weighted;
}

double Cider::score(std::size_t photo, const Words& words) const {
  constexpr double kSigma = 6.0;
  const auto& references = references_[photo];
  const Weighted candidate = weigh(words);
  double sum = 0;
  for (const Words& each : references) {
    const Weighted reference = weigh(each);
    const double gap = candidate.length - reference.length;
    const double penalty = std::exp(-(gap * gap) / (2 * kSigma * kSigma));
    for (std::size_t order = 0; order < kNgramOrders; ++order) {
      double similarity = 0;
      for (const auto& [ngram, weight] : candidate.weights[order]) {
        const auto found = reference.weights[order].find(ngram);
        if (found != reference.weights[order].end()) similarity += std::min(weight, found->second) * found->second;
      }
      const double norms = candidate.norm[order] * reference.norm[order];
      if (norms > 0) similarity /= norms;
      sum += similarity * penalty;
    }
  }
  return 10.0 * sum / static_cast<double>(kNgramOrders * references.size());
}

}  // namespace bitmar
