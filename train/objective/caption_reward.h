// What the model's own captions are worth, and what it learns from them: self-critical sequence training (Rennie et al.
// 2017) with CIDEr-D as the reward and the photo's other captions as the baseline (Luo 2020).
//
//   const CaptionReward reward = CaptionReward::make(references).value();
//   rewards.push_back(reward.score(photo, "A dog runs.", true));
//   const std::vector<double> advantages = leave_one_out_advantages(rewards, 5);
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "eval/metrics/cider.h"
#include "eval/metrics/ptb_tokenizer.h"

namespace bitmar {

class CaptionReward {
 public:
  // references[i]: the captions of photo i, at least one.
  static Result<CaptionReward> make(const std::vector<std::vector<std::string>>& references);

  // CIDEr-D against the photo's captions, 0 to 10, document frequencies over all photos. A caption's end counts as a
  // word of it and of every reference, so that breaking off ("a dog on a") does not pay.
  [[nodiscard]] double score(std::size_t photo, std::string_view caption, bool ended) const;

 private:
  CaptionReward(PtbTokenizer tokenizer, Cider cider) : tokenizer_(std::move(tokenizer)), cider_(std::move(cider)) {}

  PtbTokenizer tokenizer_;
  Cider cider_;
};

// rewards [photos * samples] -> each less the mean of the others of its photo; samples > 1.
[[nodiscard]] std::vector<double> leave_one_out_advantages(std::span<const double> rewards, std::size_t samples);

}  // namespace bitmar
