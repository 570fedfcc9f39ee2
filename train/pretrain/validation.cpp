#include "pretrain/validation.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <vector>

#include "pretrain/evaluation.h"

namespace bitmar {
namespace {

using Tell = std::function<void(const std::string&)>;

void log_captions(std::span<const CaptionSample> samples, RunLog& log, const Tell& tell) {
  for (const CaptionSample& sample : samples) {
    const std::string& reference = sample.references.front();
    log.text("captions/" + sample.image, fmt::format("{} (reference: {})", sample.caption, reference));
    tell(fmt::format("{}: {}  [{}]", sample.image, sample.caption, reference));
  }
}

}  // namespace

Result<void> log_validation(BitmarModel& model, const PretrainSettings& settings, const BatchLoader& loader,
                            const Tokenizer& tokenizer, RunLog& log, const Tell& tell) {
  const TrainSettings& train = settings.train;
  const std::uint32_t photos = std::max(train.caption_samples, train.caption_photos);
  for (std::uint32_t stream = 0; stream < settings.data.validation.size(); ++stream) {
    const std::string& name = settings.data.validation[stream].name;
    BITMAR_TRY(const StreamEvaluation result, evaluate_stream(model, loader, stream, train.evaluate_batches,
                                                              settings.objective.chunk_tokens));
    log.scalar("validation/" + name + "/loss", result.loss);
    log.scalar("validation/" + name + "/perplexity", result.perplexity);
    if (result.cosine) log.scalar("validation/" + name + "/cosine", *result.cosine);
    tell(fmt::format("{}: loss {:.4f}, perplexity {:.2f}{} over {} tokens", name, result.loss, result.perplexity,
                     result.cosine ? fmt::format(", cosine {:.3f}", *result.cosine) : "", result.tokens));
    if (!result.cosine || photos == 0) continue;
    BITMAR_TRY(const std::vector<CaptionSample> samples, caption_samples(model, loader, stream, photos, tokenizer));
    log_captions(std::span(samples).first(std::min<std::size_t>(train.caption_samples, samples.size())), log, tell);
    if (train.caption_photos == 0) continue;
    BITMAR_TRY(const double cider, cider_of(samples));
    log.scalar("validation/" + name + "/cider", cider);
    tell(fmt::format("{}: CIDEr {:.3f}, greedy, {} photos", name, cider, samples.size()));
  }
  return {};
}

}  // namespace bitmar
