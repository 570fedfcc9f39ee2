#include "eval/metrics/caption_metrics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <utility>

#include "eval/metrics/cider.h"
#include "eval/metrics/ngrams.h"

namespace bitmar {
namespace {

struct Tokenized {
  Words candidate;
  std::vector<Words> references;
};

BleuCounts bleu_counts(const Tokenized& item) {
  BleuCounts counts;
  const auto length = item.candidate.size();
  std::size_t closest = 0;
  std::size_t distance = std::numeric_limits<std::size_t>::max();
  NgramCounts most;
  for (const auto& reference : item.references) {
    const auto size = reference.size();
    const auto gap = size > length ? size - length : length - size;
    if (gap < distance || (gap == distance && size < closest)) {
      distance = gap;
      closest = size;
    }
    const NgramCounts of_reference = count_ngrams(reference);
    for (std::size_t order = 0; order < kNgramOrders; ++order) {
      for (const auto& [ngram, count] : of_reference[order]) most[order][ngram] = std::max(most[order][ngram], count);
    }
  }
  counts.candidate_length = static_cast<double>(length);
  counts.reference_length = static_cast<double>(closest);
  const NgramCounts of_candidate = count_ngrams(item.candidate);
  for (std::size_t order = 0; order < kNgramOrders; ++order) {
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
  std::vector<std::vector<Words>> references;
  for (const auto& item : items) references.push_back(item.references);
  const Cider cider(std::move(references));
  std::vector<CaptionStatistics> statistics;
  for (std::size_t i = 0; i < items.size(); ++i) {
    statistics.push_back({bleu_counts(items[i]), rouge_l(items[i]), cider.score(i, items[i].candidate)});
  }
  return statistics;
}

}  // namespace

BleuCounts& BleuCounts::operator+=(const BleuCounts& other) {
  for (std::size_t order = 0; order < kNgramOrders; ++order) {
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
  for (std::size_t order = 0; order < kNgramOrders; ++order) {
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
