#include "pretrain/batch_tensors.h"

#include "nn/upload.h"
#include "objective/contrastive_loss.h"

namespace bitmar {

BatchTensors batch_tensors(const Batch& batch, torch::Device device) {
  const std::int64_t rows = batch.rows;
  const std::int64_t segments = batch.segments;
  const std::int64_t length = batch.length;
  const auto tokens = torch::tensor(batch.tokens, torch::kLong).view({rows, segments, length});
  const auto lengths = torch::tensor(batch.lengths, torch::kLong).view({rows, segments, 1});
  const auto mask = torch::arange(length - 1, torch::kLong).view({1, 1, length - 1}).lt(lengths - 1);
  const auto places = mask.reshape(-1).nonzero().squeeze(1);

  BatchTensors result;
  result.stream = batch.stream;
  result.identity = upload(torch::tensor(batch.images, torch::kLong), device);
  result.input.tokens = tokens.narrow(2, 0, length - 1).contiguous();
  result.input.mask = upload(mask, device);
  result.host_targets = tokens.narrow(2, 1, length - 1).reshape(-1).index_select(0, places);
  result.targets = upload(result.host_targets, device);
  result.places = upload(places, device);
  if (batch.feature_tokens > 0) {
    const auto features = torch::tensor(batch.features, torch::kFloat32);
    result.input.features = upload(features.view({rows, batch.feature_tokens, batch.feature_width}), device);
    result.input.image_of_row = torch::arange(rows, torch::kLong);
    const auto captions = lengths.flatten().gt(1).nonzero().squeeze(1);
    result.captions = upload(captions, device);
    result.photos = upload(torch::floor_divide(captions, segments), device);
  } else {
    result.input.image_of_row = torch::full({rows}, -1, torch::kLong);
  }
  return result;
}

CaptionPairs caption_pairs(const ModelOutput& output, const BatchTensors& batch) {
  const auto texts = masked_mean(output.states.flatten(0, 1).to(torch::kFloat32), batch.input.mask.flatten(0, 1));
  const auto images = output.vision.to(torch::kFloat32).mean(1);
  return {texts.index_select(0, batch.captions), images.index_select(0, batch.photos),
          batch.identity.index_select(0, batch.photos)};
}

}  // namespace bitmar
