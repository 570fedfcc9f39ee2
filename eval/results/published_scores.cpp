#include "eval/results/published_scores.h"

namespace bitmar {

std::span<const PublishedModel> published_models() {
  static constexpr std::array kModels = {
      PublishedModel{"Bonsai 0.5B", {58.25, 58.44, 48.01, 70.02, 54.46, 18.43, 25.74, std::nullopt}},
      PublishedModel{"OLMo-Bitnet 1B", {25.38, 52.48, 25.88, 50.49, 51.54, 19.49, 25.47, std::nullopt}},
      PublishedModel{"Falcon3-1.58bit 7B", {65.03, 72.14, 59.46, 72.36, 60.14, 67.08, 42.79, std::nullopt}},
      PublishedModel{"Llama3-8B-1.58", {70.71, 68.38, 68.56, 75.30, 60.93, 28.50, 35.04, std::nullopt}},
      PublishedModel{"BitNet b1.58 2B", {74.79, 80.18, 68.44, 77.09, 71.90, 71.58, 53.17, std::nullopt}},
      PublishedModel{"BitMar 14M, by its paper",
                     {std::nullopt, std::nullopt, std::nullopt, std::nullopt, std::nullopt, std::nullopt, std::nullopt,
                      48.7}},
  };
  return kModels;
}

}  // namespace bitmar
