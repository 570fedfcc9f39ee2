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

BleuCounts bleu_counts(const Tokenized& item) {
  BleuCounts counts;
  const auto length = item.candidate.size();
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
    const Counts of_reference = count_ngrams(reference);
    for (std::size_t order = 0; order < kOrders; ++order) {
      for (const auto& [ngram, count] : of_reference[order]) most[order][ngram] = std::max(most[order][ngram], count);
    }
  }
  counts.candidate_length = static_cast<double>(length);
  counts.reference_length = static_cast<double>(closest);
  const Counts of_candidate = count_ngrams(item.candidate);
  for (std::size_t order = 0; order < kOrders; ++order) {
    counts.guessed[order] = static_cast<double>(length > order ? length - order : 0);
    for (const auto& [ngram, count] : of_candidate[order]) {
      const auto found = most[order].find(ngram);
      if (found != most[order].end()) counts.correct[order] += std::min(count, found->second);
    }
  }
  return counts;
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

double rouge_l(const Tokenized& item) {
  constexpr double kBeta = 1.2;
  double precision = 0;
  double recall = 0;
  for (const auto& reference : item.references) {
    const auto common = static_cast<double>(longest_common_subsequence(reference, item.candidate));
    if (common == 0) continue;
    precision = std::max(precision, common / static_cast<double>(item.candidate.size()));
    recall = std::max(recall, common / static_cast<double>(reference.size()));
  }
  if (precision == 0 || recall == 0) return 0;
  return (1 + kBeta * kBeta) * precision * recall / (recall + kBeta * kBeta * precision);
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

// In how many photos' references each n-gram occurs.
Frequencies document_frequencies(std::span<const Tokenized> items) {
  Frequencies frequencies;
  for (const auto& item : items) {
    std::unordered_set<std::string> seen;
    for (const auto& reference : item.references) {
      for (const auto& order : count_ngrams(reference)) {
        for (const auto& [ngram, count] : order) seen.insert(ngram);
      }
    }
    for (const auto& ngram : seen) frequencies[ngram] += 1.0;
  }
  return frequencies;
}

double cider(const Tokenized& item, const Frequencies& document_frequency, double log_documents) {
  constexpr double kSigma = 6.0;
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
  return 10.0 * sum / static_cast<double>(kOrders * item.references.size());
}

std::vector<Tokenized> tokenize(std::span<const CaptionItem> items, const PtbTokenizer& tokenizer) {
  std::vector<Tokenized> tokenized;
  for (const auto& item : items) {
    Tokenized& one = tokenized.emplace_back();
    one.candidate = tokenizer.tokenize(item.candidate);
    for (const auto& reference : item.references) one.references.push_back(tokenizer.tokenize(reference));
  }
  return tokenized;
}

std::vector<CaptionStatistics> statistics_of(std::span<const Tokenized> items) {
  const Frequencies frequencies = document_frequencies(items);
  const double log_documents = std::log(static_cast<double>(items.size()));
  std::vector<CaptionStatistics> statistics;
  for (const auto& item : items) {
    statistics.push_back({bleu_counts(item), rouge_l(item), cider(item, frequencies, log_documents)});
  }
  return statistics;
}

}  // namespace

BleuCounts& BleuCounts::operator+=(const BleuCounts& other) {
  for (std::size_t order = 0; order < kOrders; ++order) {
    correct[order] += other.correct[order];
    guessed[order] += other.guessed[order];
  }
  candidate_length += other.candidate_length;
  reference_length += other.reference_length;
  return *this;
}

std::array<double, 4> corpus_bleu(const BleuCounts& sum) {
  constexpr double kTiny = 1e-15;  // pycocoevalcap's guards against empty counts
  constexpr double kSmall = 1e-9;
  const double ratio = (sum.candidate_length + kTiny) / (sum.reference_length + kSmall);
  const double brevity = ratio < 1 ? std::exp(1 - 1 / ratio) : 1.0;
  std::array<double, 4> scores{};
  double product = 1;
  for (std::size_t order = 0; order < kOrders; ++order) {
    product *= (sum.correct[order] + kTiny) / (sum.guessed[order] + kSmall);
    scores[order] = std::pow(product, 1.0 / static_cast<double>(order + 1)) * brevity;
  }
  return scores;
}

std::vector<CaptionStatistics> caption_statistics(std::span<const CaptionItem> items, const PtbTokenizer& tokenizer) {
  return statistics_of(tokenize(items, tokenizer));
}

CaptionScores score_captions(std::span<const CaptionItem> items, const PtbTokenizer& tokenizer) {
  if (items.empty()) return {};
  const std::vector<Tokenized> tokenized = tokenize(items, tokenizer);
  CaptionScores scores;
  BleuCounts sum;
  for (const CaptionStatistics& statistics : statistics_of(tokenized)) {
    sum += statistics.bleu;
    scores.rouge_l += statistics.rouge_l;
    scores.cider += statistics.cider;
  }
  scores.bleu = corpus_bleu(sum);
  scores.rouge_l /= static_cast<double>(items.size());
  scores.cider /= static_cast<double>(items.size());
  std::set<Words> distinct;
  for (const Tokenized& item : tokenized) distinct.insert(item.candidate);
  scores.distinct = distinct.size();
  return scores;
}

std::vector<CaptionItem> shuffle_candidates(std::span<const CaptionItem> items) {
  std::vector<CaptionItem> shuffled(items.begin(), items.end());
  for (std::size_t i = 0; i < items.size(); ++i) {
    shuffled[i].candidate = items[(i + (items.size() + 1) / 2) % items.size()].candidate;
  }
  return shuffled;
}

}  // namespace bitmar
