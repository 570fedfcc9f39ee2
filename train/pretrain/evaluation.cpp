#include "pretrain/evaluation.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "eval/metrics/caption_metrics.h"
#include "nn/decoding.h"
#include "nn/evaluation_scope.h"
#include "nn/fused_ops.h"
#include "objective/vocabulary_loss.h"
#include "pretrain/batch_tensors.h"
#include "pretrain/caption_practice.h"

namespace bitmar {
namespace {

constexpr std::int64_t kCaptionTokens = 24;

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
      const auto given = caption_pairs(output, tensors);
      cosine += torch::cosine_similarity(given.texts, given.images, 1, 1e-8).sum().item<double>();
      pairs += given.texts.size(0);
    }
  }
  if (result.tokens > 0) result.loss = loss / static_cast<double>(result.tokens);
  result.perplexity = std::exp(result.loss);
  if (pairs > 0) result.cosine = cosine / static_cast<double>(pairs);
  return result;
}

Result<std::vector<CaptionSample>> caption_samples(BitmarModel& model, const BatchLoader& loader, std::uint32_t stream,
                                                   std::uint32_t count, const Tokenizer& tokenizer) {
  const DecodingLimits limits{.tokens = kCaptionTokens, .end_of_text = tokenizer.end_of_text()};
  std::vector<CaptionSample> samples;
  std::set<std::int64_t> taken;
  const std::uint64_t batches = loader.stream_batches(stream);
  for (std::uint64_t index = 0; index < batches && samples.size() < count; ++index) {
    BITMAR_TRY(const Batch batch, loader.stream_batch(stream, index));
    if (batch.feature_tokens == 0) return samples;
    const BatchTensors tensors = batch_tensors(batch, device_of(model));
    std::vector<torch::Tensor> features;
    const std::size_t first = samples.size();
    for (std::uint32_t row = 0; row < batch.rows && samples.size() < count; ++row) {
      const std::int64_t image = batch.images[row];
      if (!taken.insert(image).second) continue;
      samples.push_back({loader.image_name(stream, image), {}, reference_captions(loader, stream, image, tokenizer)});
      features.push_back(tensors.input.features[static_cast<std::int64_t>(row)]);
    }
    if (features.empty()) continue;
    const auto captions = decode_greedily(model, torch::stack(features), limits);
    for (std::size_t i = 0; i < captions.size(); ++i) samples[first + i].caption = tokenizer.decode(captions[i].ids);
  }
  return samples;
}

Result<double> cider_of(std::span<const CaptionSample> samples) {
  BITMAR_TRY(const PtbTokenizer tokenizer, PtbTokenizer::create());
  std::vector<CaptionItem> items;
  for (const CaptionSample& sample : samples) items.push_back({sample.caption, sample.references});
  return score_captions(items, tokenizer).cider;
}

}  // namespace bitmar
