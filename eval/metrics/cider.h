// CIDEr-D of single captions against the references of a set of photos (Vedantam et al. 2015, n = 4, sigma = 6), as
// pycocoevalcap's Cider computes it. The mean over a set's photos is the set's score.
//
//   const Cider cider(std::move(references));           // once: document frequencies
//   const double score = cider.score(photo, words);     // 0 to 10
#pragma once

#include <cstddef>
#include <string>
#include <unordered_map>
#include <vector>

#include "eval/metrics/ngrams.h"

namespace bitmar {

class Cider {
 public:
  // references[i]: those of photo i, at least one, tokenized. Document frequencies are over these photos.
  explicit Cider(std::vector<std::vector<Words>> references);

  [[nodiscard]] std::size_t photos() const { return references_.size(); }
  // photo < photos()
  [[nodiscard]] double score(std::size_t photo, const Words& candidate) const;

 private:
  struct Weighted;
  [[nodiscard]] Weighted weigh(const Words& words) const;

  std::vector<std::vector<Words>> references_;
  std::unordered_map<std::string, double> document_frequency_;  // in how many photos' references an n-gram occurs
  double log_documents_ = 0;
};

}  // namespace bitmar
