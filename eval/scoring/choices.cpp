#include "eval/scoring/choices.h"

#include <algorithm>
#include <cassert>
#include <cmath>

namespace bitmar {
namespace {

constexpr double kTieTolerance = 1e-9;

std::uint64_t length_of(const ContinuationScore& score, Normalization normalization) {
  switch (normalization) {
    case Normalization::kRaw:
      break;
    case Normalization::kTokens:
      return score.tokens;
    case Normalization::kCharacters:
      return score.characters;
    case Normalization::kBytes:
      return score.bytes;
  }
  return 1;
}

}  // namespace

std::string_view accuracy_name(Normalization normalization) {
  constexpr std::array<std::string_view, kNormalizations.size()> kNames = {
      "accuracy", "accuracy_per_token", "accuracy_per_character", "accuracy_per_byte"};
  return kNames[static_cast<std::size_t>(normalization)];
}

double normalized(const ContinuationScore& score, Normalization normalization) {
  return score.log_probability / static_cast<double>(std::max<std::uint64_t>(length_of(score, normalization), 1));
}

double probability_of_first(std::span<const ContinuationScore> scores, Normalization normalization) {
  const double first = normalized(scores.front(), normalization);
  double sum = 0.0;
  for (const ContinuationScore& score : scores) sum += std::exp(normalized(score, normalization) - first);
  return 1.0 / sum;
}

double Preference::credit(std::size_t gold) const {
  return std::ranges::find(best, gold) == best.end() ? 0.0 : 1.0 / static_cast<double>(best.size());
}

Preference prefer(std::span<const ContinuationScore> scores, Normalization normalization) {
  assert(!scores.empty());
  std::vector<double> values;
  for (const ContinuationScore& score : scores) values.push_back(normalized(score, normalization));
  const double largest = std::ranges::max(values);
  const double tolerance = kTieTolerance * std::max(1.0, std::abs(largest));
  Preference preference;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (values[i] >= largest - tolerance) preference.best.push_back(static_cast<std::uint32_t>(i));
  }
  return preference;
}

}  // namespace bitmar
