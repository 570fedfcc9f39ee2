#include "eval/captions/caption_metrics.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <map>
#include <set>
#include <unordered_map>
#include <unordered_set>

namespace bitmar {
namespace {

constexpr std::size_t kOrders = 4;
using Words = std::vector<std::string>;
// Counts of the n-grams of one sentence, per order; words are joined by a space, which no word contains.
using Counts = std::array<std::unordered_map<std::string, double>, kOrders>;

struct Tokenized {
  Words candidate;
  std::vector<Words> references;
};

Counts count_ngrams(const Words& words) {
  Counts counts;
  for (std::size_t first = 0; first < words.size(); ++first) {
    std::string ngram;
    for (std::size_t order = 0; order < kOrders && first + order < words.size(); ++order) {
      if (order > 0) ngram += ' ';
      ngram += words[first + order];
      counts[order][ngram] += 1.0;
    }
  }
  return counts;
}

std::array<double, 4> bleu(std::span<const Tokenized> items) {
  constexpr double kTiny = 1e-15;  // pycocoevalcap's guards against empty counts
  constexpr double kSmall = 1e-9;
  std::array<double, kOrders> correct{};
  std::array<double, kOrders> guessed{};
  double candidate_length = 0;
  double reference_length = 0;
  for (const auto& item : items) {
    const auto length = item.candidate.size();
    candidate_length += static_cast<double>(length);
    std::size_t closest = 0;
    std::size_t distance = std::numeric_limits<std::size_t>::max();
    Counts most;
    for (const auto& reference : item.references) {
      const auto size = reference.size();
      const auto gap = size > length ? size - length : length - size;
      if (gap < distance || (gap == distance && size < closest)) {
        distance = gap;
        closest = size;
      }
      const Counts counts = count_ngrams(reference);
      for (std::size_t order = 0; order < kOrders; ++order) {
        for (const auto& [ngram, count] : counts[order]) most[order][ngram] = std::max(most[order][ngram], count);
      }
    }
    reference_length += static_cast<double>(closest);
    const Counts counts = count_ngrams(item.candidate);
    for (std::size_t order = 0; order < kOrders; ++order) {
      guessed[order] += static_cast<double>(length > order ? length - order : 0);
      for (const auto& [ngram, count] : counts[order]) {
        const auto found = most[order].find(ngram);
        if (found != most[order].end()) correct[order] += std::min(count, found->second);
      }
    }
  }
  const double ratio = (candidate_length + kTiny) / (reference_length + kSmall);
  const double brevity = ratio < 1 ? std::exp(1 - 1 / ratio) : 1.0;
  std::array<double, 4> scores{};
  double product = 1;
  for (std::size_t order = 0; order < kOrders; ++order) {
    product *= (correct[order] + kTiny) / (guessed[order] + kSmall);
    scores[order] = std::pow(product, 1.0 / static_cast<double>(order + 1)) * brevity;
  }
  return scores;
}

std::size_t longest_common_subsequence(const Words& a, const Words& b) {
  std::vector<std::size_t> row(b.size() + 1, 0);
  for (const auto& word : a) {
    std::size_t diagonal = 0;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t above = row[j + 1];
      row[j + 1] = word == b[j] ? diagonal + 1 : std::max(above, row[j]);
      diagonal = above;
    }
  }
  return row.back();
}

double rouge_l(std::span<const Tokenized> items) {
  constexpr double kBeta = 1.2;
  double total = 0;
  for (const auto& item : items) {
    double precision = 0;
    double recall = 0;
    for (const auto& reference : item.references) {
      const auto common = static_cast<double>(longest_common_subsequence(reference, item.candidate));
      if (common == 0) continue;
      precision = std::max(precision, common / static_cast<double>(item.candidate.size()));
      recall = std::max(recall, common / static_cast<double>(reference.size()));
    }
    if (precision > 0 && recall > 0) {
      total += (1 + kBeta * kBeta) * precision * recall / (recall + kBeta * kBeta * precision);
    }
  }
  return total / static_cast<double>(items.size());
}

// A sentence's TF-IDF weights, per order.
struct Weighted {
  Counts weights;
  std::array<double, kOrders> norm{};
  double length = 0;  // bigrams, as pycocoevalcap counts it
};

using Frequencies = std::unordered_map<std::string, double>;

Weighted weigh(const Words& words, const Frequencies& document_frequency, double log_documents) {
  Weighted weighted;
  weighted.weights = count_ngrams(words);
  for (std::size_t order = 0; order < kOrders; ++order) {
    for (auto& [ngram, value] : weighted.weights[order]) {
      if (order == 1) weighted.length += value;
      const auto found = document_frequency.find(ngram);
      const double frequency = found == document_frequency.end() ? 1.0 : std::max(1.0, found->second);
      value *= log_documents - std::log(frequency);
      weighted.norm[order] += value * value;
    }
    weighted.norm[order] = std::sqrt(weighted.norm[order]);
  }
  return weighted;
}

double cider(std::span<const Tokenized> items) {
  constexpr double kSigma = 6.0;
  Frequencies document_frequency;
  for (const auto& item : items) {
    std::unordered_set<std::string> seen;
    for (const auto& reference : item.references) {
      for (const auto& order : count_ngrams(reference)) {
        for (const auto& [ngram, count] : order) seen.insert(ngram);
      }
    }
    for (const auto& ngram : seen) document_frequency[ngram] += 1.0;
  }
  const double log_documents = std::log(static_cast<double>(items.size()));
  double total = 0;
  for (const auto& item : items) {
    const Weighted candidate = weigh(item.candidate, document_frequency, log_documents);
    double sum = 0;
    for (const auto& words : item.references) {
      const Weighted reference = weigh(words, document_frequency, log_documents);
      const double gap = candidate.length - reference.length;
      const double penalty = std::exp(-(gap * gap) / (2 * kSigma * kSigma));
      for (std::size_t order = 0; order < kOrders; ++order) {
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
    total += 10.0 * sum / static_cast<double>(kOrders * item.references.size());
  }
  return total / static_cast<double>(items.size());
}

}  // namespace

CaptionScores score_captions(std::span<const CaptionItem> items, const PtbTokenizer& tokenizer) {
  if (items.empty()) return {};
  std::vector<Tokenized> tokenized;
  std::set<Words> distinct;
  for (const auto& item : items) {
    Tokenized one;
    one.candidate = tokenizer.tokenize(item.candidate);
    for (const auto& reference : item.references) one.references.push_back(tokenizer.tokenize(reference));
    distinct.insert(one.candidate);
    tokenized.push_back(std::move(one));
  }
  return {bleu(tokenized), rouge_l(tokenized), cider(tokenized), distinct.size()};
}

std::vector<CaptionItem> shuffle_candidates(std::span<const CaptionItem> items) {
  std::vector<CaptionItem> shuffled(items.begin(), items.end());
  for (std::size_t i = 0; i < items.size(); ++i) {
    shuffled[i].candidate = items[(i + (items.size() + 1) / 2) % items.size()].candidate;
  }
  return shuffled;
}

}  // namespace bitmar
