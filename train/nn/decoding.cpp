#include "nn/decoding.h"

#include <functional>

#include "nn/evaluation_scope.h"

namespace bitmar {
namespace {

// logits [rows, V] -> int64 [rows]
using TokenChooser = std::function<torch::Tensor(const torch::Tensor& logits)>;

// `samples` rows a photo. A row that has ended is computed no further.
std::vector<DecodedCaption> decode(BitmarModel& model, const torch::Tensor& features, std::int64_t samples,
                                   const DecodingLimits& limits, const TokenChooser& choose) {
  const EvaluationScope scope(model);
  const torch::Device device = features.device();
  const std::int64_t rows = features.size(0) * samples;
  std::vector<DecodedCaption> captions(static_cast<std::size_t>(rows));
  torch::Tensor running = torch::arange(rows, torch::kLong);
  ModelInput input;
  input.features = features;
  input.tokens = torch::full({rows, 1, 1}, static_cast<std::int64_t>(limits.end_of_text), torch::kLong).to(device);
  for (std::int64_t step = 0; step < limits.tokens && running.numel() > 0; ++step) {
    input.mask = torch::ones_like(input.tokens, torch::kBool);
    input.image_of_row = torch::floor_divide(running, samples).to(device);
    const auto last = model->forward(input, {}).hidden.select(1, 0).select(1, step);  // [running, d]
    const auto next = choose(model->output()->forward(last));
    const auto chosen = next.cpu();
    std::vector<std::int64_t> kept;
    for (std::int64_t i = 0; i < running.numel(); ++i) {
      DecodedCaption& caption = captions[static_cast<std::size_t>(running[i].item<std::int64_t>())];
      const auto id = static_cast<TokenId>(chosen[i].item<std::int64_t>());
      caption.ended = id == limits.end_of_text;
      if (caption.ended) continue;
      caption.ids.push_back(id);
      kept.push_back(i);
    }
    const auto places = torch::tensor(kept, torch::kLong);
    input.tokens = torch::cat({input.tokens, next.view({-1, 1, 1})}, 2).index_select(0, places.to(device));
    running = running.index_select(0, places);
  }
  return captions;
}

}  // namespace

std::vector<DecodedCaption> decode_greedily(BitmarModel& model, const torch::Tensor& features,
                                            const DecodingLimits& limits) {
  return decode(model, features, 1, limits, [](const torch::Tensor& logits) { return logits.argmax(1); });
}

std::vector<DecodedCaption> draw_captions(BitmarModel& model, const torch::Tensor& features, std::int64_t samples,
                                          const DecodingLimits& limits, Random& random) {
  return decode(model, features, samples, limits, [&](const torch::Tensor& logits) {
    // The token at which the cumulative probability passes a uniform number, of the sum as it was rounded.
    const auto cumulative = logits.softmax(1).cumsum(1);
    std::vector<float> uniform(static_cast<std::size_t>(logits.size(0)));
    for (float& value : uniform) value = static_cast<float>(random.uniform());
    const auto total = cumulative.select(1, -1).unsqueeze(1);
    const auto thresholds = torch::tensor(uniform).to(logits.device()).unsqueeze(1) * total;
    return torch::searchsorted(cumulative, thresholds, false, true).squeeze(1).clamp_max(logits.size(1) - 1);
  });
}

}  // namespace bitmar
