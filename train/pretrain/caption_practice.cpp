#include "pretrain/caption_practice.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/random.h"
#include "nn/decoding.h"
#include "nn/upload.h"

namespace bitmar {
namespace {

// One row a caption, as a batch of captions without photos.
Batch as_batch(const std::vector<DecodedCaption>& captions, const Batch& source, TokenId end_of_text) {
  Batch batch;
  batch.stream = source.stream;
  batch.rows = static_cast<std::uint32_t>(captions.size());
  batch.segments = 1;
  for (const DecodedCaption& caption : captions) {
    batch.lengths.push_back(static_cast<std::int64_t>(caption.ids.size()) + (caption.ended ? 2 : 1));
  }
  batch.length = static_cast<std::uint32_t>(std::ranges::max(batch.lengths));
  batch.tokens.assign(captions.size() * batch.length, end_of_text);
  for (std::size_t row = 0; row < captions.size(); ++row) {
    std::ranges::copy(captions[row].ids, batch.tokens.begin() + static_cast<std::ptrdiff_t>(row * batch.length + 1));
  }
  batch.images.assign(captions.size(), -1);
  return batch;
}

}  // namespace

std::vector<std::string> reference_captions(const BatchLoader& loader, std::uint32_t stream, std::int64_t image,
                                            const Tokenizer& tokenizer) {
  std::vector<std::string> captions;
  for (const auto tokens : loader.captions(stream, image)) {
    captions.push_back(tokenizer.decode(std::vector<TokenId>(tokens.begin(), tokens.end())));
  }
  return captions;
}

Result<CaptionPractice> CaptionPractice::open(const DataSettings& settings, const BatchLoader& loader,
                                              const Tokenizer& tokenizer) {
  std::vector<std::optional<Stream>> streams(settings.train.size());
  for (std::uint32_t number = 0; number < streams.size(); ++number) {
    const StreamSettings& stream = settings.train[number];
    if (stream.samples == 0) continue;
    std::vector<std::vector<std::string>> references;
    for (std::int64_t image = 0; image < loader.images(number); ++image) {
      references.push_back(reference_captions(loader, number, image, tokenizer));
    }
    BITMAR_TRY(CaptionReward reward, CaptionReward::make(references));
    streams[number] = Stream{stream.samples, stream.length, std::move(reward)};
  }
  return CaptionPractice(tokenizer, std::move(streams));
}

BatchTensors CaptionPractice::tensors(const Batch& batch, BitmarModel& model, std::uint64_t seed,
                                      torch::Device device) const {
  BatchTensors given = batch_tensors(batch, device);
  const auto& stream = streams_[batch.stream];
  if (!stream) return given;
  Random random(seed);
  const DecodingLimits limits{.tokens = stream->length, .end_of_text = tokenizer_.end_of_text()};
  const auto captions = draw_captions(model, given.input.features, stream->samples, limits, random);
  std::vector<double> rewards;
  double sum = 0;
  for (std::size_t i = 0; i < captions.size(); ++i) {
    const auto photo = static_cast<std::size_t>(batch.images[i / stream->samples]);
    rewards.push_back(stream->reward.score(photo, tokenizer_.decode(captions[i].ids), captions[i].ended));
    sum += rewards.back();
  }
  const std::vector<double> advantages = leave_one_out_advantages(rewards, stream->samples);

  const Batch drawn = as_batch(captions, batch, limits.end_of_text);
  BatchTensors result = batch_tensors(drawn, device);
  result.input.features = given.input.features;
  result.input.image_of_row =
      torch::floor_divide(torch::arange(static_cast<std::int64_t>(drawn.rows), torch::kLong), stream->samples);
  std::vector<float> weights;
  for (std::size_t row = 0; row < captions.size(); ++row) {
    weights.insert(weights.end(), static_cast<std::size_t>(drawn.lengths[row] - 1),
                   static_cast<float>(advantages[row]));
  }
  result.practice =
      Practice{.weights = upload(torch::tensor(weights), device), .reward = sum / static_cast<double>(rewards.size())};
  return result;
}

}  // namespace bitmar
