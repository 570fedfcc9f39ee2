// Which of several choices a model prefers, and how much of a point that earns. Log-probabilities are compared raw or
// divided by a length, since a longer answer is less probable whatever it says.
//
//   const Preference preference = prefer(scores, Normalization::kCharacters);
//   sum += preference.credit(gold);
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "eval/scoring/continuation_scorer.h"

namespace bitmar {

enum class Normalization {
  kRaw,
  kTokens,
  kCharacters,  // what lm-evaluation-harness calls acc_norm: code points of the answer
  kBytes,       // its acc_bytes
};
inline constexpr std::array kNormalizations = {Normalization::kRaw, Normalization::kTokens, Normalization::kCharacters,
                                               Normalization::kBytes};

// "accuracy", "accuracy_per_token", "accuracy_per_character", "accuracy_per_byte".
[[nodiscard]] std::string_view accuracy_name(Normalization normalization);

// A length of 0 counts as 1.
[[nodiscard]] double normalized(const ContinuationScore& score, Normalization normalization);

// The first choice's share of the probability of all. At least one choice.
[[nodiscard]] double probability_of_first(std::span<const ContinuationScore> scores, Normalization normalization);

struct Preference {
  std::vector<std::uint32_t> best;  // the choices that share the largest value, ascending; not empty

  [[nodiscard]] bool tied() const { return best.size() > 1; }
  // 1/n where `gold` is one of the n best, else 0: a guess among equals.
  [[nodiscard]] double credit(std::size_t gold) const;
};

// Values within 1e-9 of the largest, relative to it, share its place: less is rounding, not knowledge.
[[nodiscard]] Preference prefer(std::span<const ContinuationScore> scores, Normalization normalization);

}  // namespace bitmar
