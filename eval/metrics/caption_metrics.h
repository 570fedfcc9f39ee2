// BLEU-1..4, ROUGE-L and CIDEr of captions, as the COCO caption evaluation (pycocoevalcap) defines them, corpus level.
// tests/goldens/captions holds its own output on the same captions.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "eval/metrics/ptb_tokenizer.h"

namespace bitmar {

// One photo: the caption to judge and its references, as text.
struct CaptionItem {
  std::string candidate;
  std::vector<std::string> references;  // at least one
};

struct CaptionScores {
  std::array<double, 4> bleu{};  // BLEU-1..4 (Papineni et al. 2002), closest reference length
  double rouge_l = 0;            // Lin 2004, beta = 1.2, mean over photos
  double cider = 0;              // CIDEr-D as pycocoevalcap's Cider: Vedantam et al. 2015, n = 4, sigma = 6
  std::size_t distinct = 0;      // different candidates, after tokenization
};

// What one photo adds to the corpus' BLEU: sums over photos, of which scores of any part or resample are made.
struct BleuCounts {
  std::array<double, 4> correct{};  // n-grams of the candidate that a reference has, clipped
  std::array<double, 4> guessed{};  // n-grams of the candidate
  double candidate_length = 0;      // words
  double reference_length = 0;      // words of the reference of the closest length

  BleuCounts& operator+=(const BleuCounts& other);
};
[[nodiscard]] std::array<double, 4> corpus_bleu(const BleuCounts& sum);

// One photo's share: ROUGE-L and CIDEr of the set are the means of these.
struct CaptionStatistics {
  BleuCounts bleu;
  double rouge_l = 0;
  double cider = 0;
};
// One entry an item. Document frequencies are over the whole set.
[[nodiscard]] std::vector<CaptionStatistics> caption_statistics(std::span<const CaptionItem> items,
                                                                const PtbTokenizer& tokenizer);

// Scores all items together (document frequencies and BLEU counts are over the whole set). Scores are 0 for no items.
[[nodiscard]] CaptionScores score_captions(std::span<const CaptionItem> items, const PtbTokenizer& tokenizer);

// The chance level: the same candidates, each moved on to another photo (half the set further).
[[nodiscard]] std::vector<CaptionItem> shuffle_candidates(std::span<const CaptionItem> items);

}  // namespace bitmar
