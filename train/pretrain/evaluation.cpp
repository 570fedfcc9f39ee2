#include "pretrain/evaluation.h"

#include <algorithm>
#include <cmath>

#include "nn/fused_ops.h"
#include "objective/contrastive_loss.h"
#include "objective/vocabulary_loss.h"
#include "pretrain/batch_tensors.h"

namespace bitmar {
namespace {

constexpr std::int64_t kCaptionTokens = 24;

// Evaluation mode and no gradients for a scope.
class EvaluationScope {
 public:
  explicit EvaluationScope(BitmarModel& model) : model_(model), training_(model->is_training()) { model_->eval(); }
  ~EvaluationScope() { model_->train(training_); }
  EvaluationScope(const EvaluationScope&) = delete;
  EvaluationScope& operator=(const EvaluationScope&) = delete;

 private:
  torch::NoGradGuard no_grad_;
  BitmarModel& model_;
  bool training_;
};

torch::Device device_of(BitmarModel& model) {
  return model->output()->weight.device();
}

}  // namespace

Result<StreamEvaluation> evaluate_stream(BitmarModel& model, const BatchLoader& loader, std::uint32_t stream,
                                         std::uint64_t batches, std::int64_t chunk_tokens) {
  const EvaluationScope scope(model);
  const torch::Tensor head = model->output()->effective_weight();
  const std::uint64_t available = loader.stream_batches(stream);
  const std::uint64_t count = batches == 0 ? available : std::min(batches, available);
  StreamEvaluation result;
  double loss = 0;
  double cosine = 0;
  std::int64_t pairs = 0;
  for (std::uint64_t index = 0; index < count; ++index) {
    BITMAR_TRY(const Batch batch, loader.stream_batch(stream, index));
    const BatchTensors tensors = batch_tensors(batch, device_of(model));
    const ModelOutput output = model->forward(tensors.input, {});
    const std::int64_t tokens = tensors.targets.size(0);
    if (tokens == 0) continue;
    const auto real = output.hidden.reshape({-1, output.hidden.size(-1)}).index_select(0, tensors.places);
    const auto mean = vocabulary_loss(fake_quantize_activations(real), head, tensors.targets,
                                      {.column_offsets = {}, .chunk_tokens = chunk_tokens});
    loss += mean.item<double>() * static_cast<double>(tokens);
    result.tokens += static_cast<std::uint64_t>(tokens);
    if (output.vision.defined()) {
      const auto texts = masked_mean(output.states.select(1, 0), tensors.input.mask.select(1, 0));
      cosine += torch::cosine_similarity(texts, output.vision.mean(1), 1, 1e-8).sum().item<double>();
      pairs += texts.size(0);
    }
  }
  if (result.tokens > 0) result.loss = loss / static_cast<double>(result.tokens);
  result.perplexity = std::exp(result.loss);
  if (pairs > 0) result.cosine = cosine / static_cast<double>(pairs);
  return result;
}

std::vector<std::vector<TokenId>> greedy(BitmarModel& model, const torch::Tensor& features, std::int64_t rows,
                                         std::int64_t limit, TokenId end_of_text) {
  const EvaluationScope scope(model);
  const torch::Device device = device_of(model);
  const torch::Tensor head = model->output()->effective_weight().t();
  ModelInput input;
  input.tokens = torch::full({rows, 1, 1}, static_cast<std::int64_t>(end_of_text), torch::kLong).to(device);
  input.features = features;
  input.image_of_row = features.defined() ? torch::arange(rows, torch::kLong).to(device)
                                          : torch::full({rows}, -1, torch::kLong).to(device);
  std::vector<std::vector<TokenId>> result(static_cast<std::size_t>(rows));
  std::vector<bool> ended(static_cast<std::size_t>(rows), false);
  for (std::int64_t step = 0; step < limit; ++step) {
    input.mask = torch::ones_like(input.tokens, torch::kBool);
    const auto last = model->forward(input, {}).hidden.select(1, 0).select(1, step);  // [rows, d]
    const auto next = torch::matmul(fake_quantize_activations(last), head).argmax(1);
    input.tokens = torch::cat({input.tokens, next.view({rows, 1, 1})}, 2);
    const auto chosen = next.cpu();
    for (std::size_t row = 0; row < result.size(); ++row) {
      const auto id = static_cast<TokenId>(chosen[static_cast<std::int64_t>(row)].item<std::int64_t>());
      ended[row] = ended[row] || id == end_of_text;
      if (!ended[row]) result[row].push_back(id);
    }
    if (std::ranges::all_of(ended, [](bool done) { return done; })) break;
  }
  return result;
}

Result<std::vector<CaptionSample>> caption_samples(BitmarModel& model, const BatchLoader& loader, std::uint32_t stream,
                                                   std::uint32_t count, const Tokenizer& tokenizer) {
  std::vector<CaptionSample> samples;
  std::vector<torch::Tensor> features;
  BITMAR_TRY(const Batch batch, loader.stream_batch(stream, 0));
  if (batch.feature_tokens == 0) return samples;
  const BatchTensors tensors = batch_tensors(batch, device_of(model));
  std::vector<std::int64_t> taken;
  for (std::uint32_t row = 0; row < batch.rows && samples.size() < count; ++row) {
    if (std::ranges::find(taken, batch.images[row]) != taken.end()) continue;
    taken.push_back(batch.images[row]);
    const auto first = batch.tokens.begin() + static_cast<std::ptrdiff_t>(row) * batch.segments * batch.length;
    const auto length = batch.lengths[static_cast<std::size_t>(row) * batch.segments];
    const std::vector<TokenId> reference(first, first + static_cast<std::ptrdiff_t>(length));
    samples.push_back({loader.image_name(stream, batch.images[row]), {}, tokenizer.decode(reference)});
    features.push_back(tensors.input.features[static_cast<std::int64_t>(row)]);
  }
  const auto captions = greedy(model, torch::stack(features), static_cast<std::int64_t>(samples.size()), kCaptionTokens,
                               tokenizer.end_of_text());
  for (std::size_t i = 0; i < samples.size(); ++i) samples[i].caption = tokenizer.decode(captions[i]);
  return samples;
}

}  // namespace bitmar
