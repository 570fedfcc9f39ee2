#include "objective/caption_reward.h"

#include <numeric>

namespace bitmar {
namespace {

constexpr const char* kEnd = "</s>";  // no token of PtbTokenizer: it drops such punctuation

}  // namespace

Result<CaptionReward> CaptionReward::make(const std::vector<std::vector<std::string>>& references) {
  BITMAR_TRY(PtbTokenizer tokenizer, PtbTokenizer::create());
  std::vector<std::vector<Words>> words;
  for (const auto& photo : references) {
    std::vector<Words>& of_photo = words.emplace_back();
    for (const std::string& reference : photo) {
      of_photo.push_back(tokenizer.tokenize(reference));
      of_photo.back().emplace_back(kEnd);
    }
  }
  return CaptionReward(std::move(tokenizer), Cider(std::move(words)));
}

double CaptionReward::score(std::size_t photo, std::string_view caption, bool ended) const {
  Words words = tokenizer_.tokenize(caption);
  if (ended) words.emplace_back(kEnd);
  return cider_.score(photo, words);
}

std::vector<double> leave_one_out_advantages(std::span<const double> rewards, std::size_t samples) {
  std::vector<double> advantages;
  advantages.reserve(rewards.size());
  for (std::size_t first = 0; first < rewards.size(); first += samples) {
    const auto photo = rewards.subspan(first, samples);
    const double sum = std::accumulate(photo.begin(), photo.end(), 0.0);
    for (const double reward : photo) {
      advantages.push_back(reward - (sum - reward) / static_cast<double>(samples - 1));
    }
  }
  return advantages;
}

}  // namespace bitmar
