#include "nn/decoding.h"

#include <functional>

#include "nn/evaluation_scope.h"

namespace bitmar {
namespace {

constexpr std::int64_t kBlock = 256;  // tokens of the vocabulary that a draw first takes together

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
  input.tokens = torch::full({rows, 1, 1}, static_cast<std::int64_t>(limits.end_of_text), torch::kLong);
  for (std::int64_t step = 0; step < limits.tokens && running.numel() > 0; ++step) {
    input.mask = torch::ones(input.tokens.sizes(), torch::TensorOptions(device).dtype(torch::kBool));
    input.image_of_row = torch::floor_divide(running, samples);
    const auto last = model->forward(input, {}).hidden.select(1, 0).select(1, step);  // [running, d]
    const auto chosen = choose(model->output()->forward(last)).cpu();
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
    input.tokens = torch::cat({input.tokens, chosen.view({-1, 1, 1})}, 2).index_select(0, places);
    running = running.index_select(0, places);
  }
  return captions;
}

// The column in which the running sum of `weights` [rows, columns] passes `threshold` [rows, 1].
torch::Tensor pass(const torch::Tensor& weights, const torch::Tensor& threshold) {
  return torch::searchsorted(weights.cumsum(1), threshold, false, true).clamp_max(weights.size(1) - 1);
}

// One token a row from softmax(logits): first its block, then the token in it. int64 [rows]
torch::Tensor draw_tokens(const torch::Tensor& logits, Random& random) {
  const std::int64_t vocabulary = logits.size(1);
  const std::int64_t whole = vocabulary / kBlock * kBlock;
  const auto weights = (logits - logits.amax(1, true)).exp_();
  const auto sums = torch::cat({weights.narrow(1, 0, whole).unflatten(1, {whole / kBlock, kBlock}).sum(2),
                                weights.narrow(1, whole, vocabulary - whole).sum(1, true)},
                               1);  // [rows, blocks]
  std::vector<float> uniform(static_cast<std::size_t>(logits.size(0)));
  for (float& value : uniform) value = static_cast<float>(random.uniform());
  const auto threshold = torch::tensor(uniform).to(logits.device()).unsqueeze(1) * sums.sum(1, true);
  const auto block = pass(sums, threshold);  // [rows, 1]
  const auto before = sums.cumsum(1).gather(1, block) - sums.gather(1, block);
  const auto columns = block * kBlock + torch::arange(kBlock, block.options());  // [rows, kBlock]
  const auto there = columns.lt(vocabulary);
  const auto of_block = weights.gather(1, columns.clamp_max(vocabulary - 1)) * there;
  return (block * kBlock + pass(of_block, threshold - before)).clamp_max(vocabulary - 1).squeeze(1);
}

}  // namespace

std::vector<DecodedCaption> decode_greedily(BitmarModel& model, const torch::Tensor& features,
                                            const DecodingLimits& limits) {
  return decode(model, features, 1, limits, [](const torch::Tensor& logits) { return logits.argmax(1); });
}

std::vector<DecodedCaption> draw_captions(BitmarModel& model, const torch::Tensor& features, std::int64_t samples,
                                          const DecodingLimits& limits, Random& random) {
  return decode(model, features, samples, limits,
                [&](const torch::Tensor& logits) { return draw_tokens(logits, random); });
}

}  // namespace bitmar
