#include "pretrain/batch_tensors.h"

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
  result.identity = torch::tensor(batch.images, torch::kLong).to(device);
  result.input.tokens = tokens.narrow(2, 0, length - 1).contiguous().to(device);
  result.input.mask = mask.to(device);
  result.targets = tokens.narrow(2, 1, length - 1).reshape(-1).index_select(0, places).to(device);
  result.places = places.to(device);
  if (batch.feature_tokens > 0) {
    result.input.features = torch::tensor(batch.features, torch::kFloat32)
                                .view({rows, batch.feature_tokens, batch.feature_width})
                                .to(device);
    result.input.image_of_row = torch::arange(rows, torch::kLong).to(device);
  } else {
    result.input.image_of_row = torch::full({rows}, -1, torch::kLong).to(device);
  }
  return result;
}

}  // namespace bitmar
