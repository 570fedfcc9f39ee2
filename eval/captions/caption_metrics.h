// BLEU-1..4, ROUGE-L and CIDEr of captions, as the COCO caption evaluation (pycocoevalcap) defines them, corpus level.
// tests/goldens/captions holds its own output on the same captions.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "eval/captions/ptb_tokenizer.h"

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

// Scores all items together (document frequencies and BLEU counts are over the whole set). Scores are 0 for no items.
[[nodiscard]] CaptionScores score_captions(std::span<const CaptionItem> items, const PtbTokenizer& tokenizer);

// The chance level: the same candidates, each moved on to another photo (half the set further).
[[nodiscard]] std::vector<CaptionItem> shuffle_candidates(std::span<const CaptionItem> items);

}  // namespace bitmar
