#include "model/fusion.h"

#include <algorithm>

#include "kernels/ops.h"
#include "model/vision_pooling.h"

namespace bitmar {
namespace {

// [tokens, heads * head_width] -> [heads, tokens, head_width].
std::vector<float> by_head(MatrixView<const float> rows, std::size_t heads) {
  const std::size_t head_width = rows.columns / heads;
  std::vector<float> result(rows.values.size());
  for (std::size_t head = 0; head < heads; ++head) {
    for (std::size_t token = 0; token < rows.rows; ++token) {
      std::ranges::copy(rows.row(token).subspan(head * head_width, head_width),
                        result.begin() + static_cast<std::ptrdiff_t>((head * rows.rows + token) * head_width));
    }
  }
  return result;
}

}  // namespace

std::vector<float> compress_vision(const BitmarModel& model, MatrixView<const float> features, ThreadPool* pool) {
  const Kernels& kernels = *model.kernels;
  const std::size_t tokens = pooled_count(features.rows);
  std::vector<float> pooled(tokens * features.columns);
  pool_features(features, {pooled, tokens, features.columns});

  QuantizedActivations quantized;
  quantize_activations(kernels, {pooled, tokens, features.columns}, quantized);
  std::vector<float> hidden(tokens * model.vision.compression_in.rows());
  model.vision.compression_in.apply(quantized, {hidden, tokens, model.vision.compression_in.rows()}, pool);
  relu(kernels, hidden, hidden);

  quantize_activations(kernels, {hidden, tokens, model.vision.compression_in.rows()}, quantized);
  const std::size_t width = model.config.width;
  std::vector<float> compressed(tokens * width);
  const MatrixView<float> rows(compressed, tokens, width);
  model.vision.compression_out.apply(quantized, rows, pool);
  layer_norm(kernels, rows, model.vision.norm.gain, model.vision.norm.bias, model.config.norm_epsilon, rows);
  return compressed;
}

FusionContext::FusionContext(const BitmarModel& model, MatrixView<const float> features, ThreadPool* pool)
    : head_width_(model.config.head_width()) {
  std::vector<float> attended = model.vision.null_token;  // [1 + N', d]
  if (features.rows > 0) {
    const std::vector<float> vision = compress_vision(model, features, pool);
    attended.insert(attended.end(), vision.begin(), vision.end());
  }
  const std::size_t width = model.config.width;
  tokens_ = attended.size() / width;
  QuantizedActivations quantized;
  quantize_activations(*model.kernels, {attended, tokens_, width}, quantized);
  std::vector<float> projected(attended.size());
  model.fusion.key.apply(quantized, {projected, tokens_, width}, pool);
  keys_ = by_head({projected, tokens_, width}, model.config.heads);
  model.fusion.value.apply(quantized, {projected, tokens_, width}, pool);
  values_ = by_head({projected, tokens_, width}, model.config.heads);
}

}  // namespace bitmar
