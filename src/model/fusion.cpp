#include "model/fusion.h"

#include <algorithm>

#include "kernels/ops.h"
#include "model/mean_direction.h"
#include "model/vision_pooling.h"

namespace bitmar {
namespace {

// [null; V_img] [1 + N', d].
std::vector<float> attended_tokens(const BitmarModel& model, MatrixView<const float> features, ThreadPool* pool) {
  std::vector<float> attended = model.vision.null_token;
  if (features.rows > 0) {
    const std::vector<float> vision = compress_vision(model, features, pool);
    attended.insert(attended.end(), vision.begin(), vision.end());
  }
  return attended;
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
    : FusionContext(model, attended_tokens(model, features, pool), pool) {}

FusionContext::FusionContext(const BitmarModel& model, const std::vector<float>& attended, ThreadPool* pool)
    : tokens_(attended.size() / model.config.width),
      rows_(*model.kernels, model.config.heads, model.config.head_width(), tokens_) {
  const std::size_t width = model.config.width;
  const std::size_t heads = model.config.heads;
  QuantizedActivations quantized;
  quantize_activations(*model.kernels, {attended, tokens_, width}, quantized);
  std::vector<float> keys(attended.size());
  std::vector<float> values(attended.size());
  model.fusion.key.apply(quantized, {keys, tokens_, width}, pool);
  model.fusion.value.apply(quantized, {values, tokens_, width}, pool);
  QuantizedActivations key_heads;
  QuantizedActivations value_heads;
  quantize_heads(*model.kernels, {keys, tokens_ * heads, width / heads}, key_heads);
  quantize_heads(*model.kernels, {values, tokens_ * heads, width / heads}, value_heads);
  for (std::size_t token = 0; token < tokens_; ++token) rows_.put(token, key_heads, value_heads, token);
  MeanDirection image(width);
  image.add(MatrixView<const float>(attended, tokens_, width).slice(1, tokens_ - 1));
  image_direction_ = image.unit();
}

}  // namespace bitmar
