#include "model/text_layer.h"

#include <algorithm>
#include <optional>

#include "kernels/ops.h"
#include "model/attention.h"

namespace bitmar {
namespace {

// Rotates queries and keys to their positions, and a second copy of the queries to the clamped ones where any row has
// passed them. Returns that copy.
std::optional<MatrixView<const float>> rotate_rows(const BitmarModel& model, MatrixView<float> query,
                                                   MatrixView<float> key, Workspace& workspace) {
  const Kernels& kernels = *model.kernels;
  const std::size_t half = model.config.head_width() / 2;
  const auto of_row = [half](AlignedBuffer<float>& angles, std::size_t row) {
    return std::span<const float>(angles.span().subspan(row * half, half));
  };
  std::optional<MatrixView<const float>> sink_query;
  if (workspace.past_clamp) {
    const auto copy = Workspace::view(workspace.sink_query, query.rows, query.columns);
    std::ranges::copy(query.values, copy.values.begin());
    for (std::size_t row = 0; row < query.rows; ++row) {
      rope_rotate(kernels, copy.row(row), of_row(workspace.sink_cosines, row), of_row(workspace.sink_sines, row));
    }
    sink_query = copy;
  }
  for (std::size_t row = 0; row < query.rows; ++row) {
    rope_rotate(kernels, key.row(row), of_row(workspace.cosines, row), of_row(workspace.sines, row));
    rope_rotate(kernels, query.row(row), of_row(workspace.cosines, row), of_row(workspace.sines, row));
  }
  return sink_query;
}

void run_attention(const BitmarModel& model, const TextLayerWeights& weights, std::span<KvCache* const> caches,
                   Workspace& workspace, ThreadPool* pool) {
  const Kernels& kernels = *model.kernels;
  const std::size_t rows = caches.size();
  const std::size_t width = model.config.width;
  const auto hidden = Workspace::view(workspace.hidden, rows, width);
  norm_and_quantize(model, weights.attention_norm, hidden, Workspace::view(workspace.normed, rows, width), workspace);
  const auto query = Workspace::view(workspace.query, rows, width);
  const auto key = Workspace::view(workspace.key, rows, width);
  const auto value = Workspace::view(workspace.value, rows, width);
  weights.attention.query.apply(workspace.quantized, query, pool);
  weights.attention.key.apply(workspace.quantized, key, pool);
  weights.attention.value.apply(workspace.quantized, value, pool);

  const auto sink_query = rotate_rows(model, query, key, workspace);
  append_to_caches(model, caches, key, value, workspace);
  const auto attended = Workspace::view(workspace.attended, rows, width);
  attend_to_caches(model, caches, workspace.positions.span().first(rows), query, sink_query, attended, workspace, pool);

  norm_and_quantize(model, weights.attention.output_norm, attended, attended, workspace);
  const auto projected = Workspace::view(workspace.projected, rows, width);
  weights.attention.output.apply(workspace.quantized, projected, pool);
  add(kernels, hidden.values, projected.values, hidden.values);
}

void run_feed_forward(const BitmarModel& model, const TextLayerWeights& weights, std::size_t rows, Workspace& workspace,
                      ThreadPool* pool) {
  const Kernels& kernels = *model.kernels;
  const std::size_t width = model.config.width;
  const auto hidden = Workspace::view(workspace.hidden, rows, width);
  norm_and_quantize(model, weights.ffn_norm, hidden, Workspace::view(workspace.normed, rows, width), workspace);
  const auto inner = Workspace::view(workspace.ffn, rows, model.config.ffn_hidden);
  weights.up.apply(workspace.quantized, inner, pool);
  gelu(kernels, inner.values, inner.values);
  norm_and_quantize(model, weights.down_norm, inner, inner, workspace);
  const auto projected = Workspace::view(workspace.projected, rows, width);
  weights.down.apply(workspace.quantized, projected, pool);
  add(kernels, hidden.values, projected.values, hidden.values);
}

}  // namespace

void norm_and_quantize(const BitmarModel& model, const NormWeights& norm, MatrixView<const float> x,
                       MatrixView<float> normed, Workspace& workspace) {
  layer_norm(*model.kernels, x, norm.gain, norm.bias, model.config.norm_epsilon, normed);
  quantize_activations(*model.kernels, normed, workspace.quantized);
}

void run_text_layer(const BitmarModel& model, const TextLayerWeights& weights, std::span<KvCache* const> caches,
                    bool memory, const LayerStages& stages, Workspace& workspace, ThreadPool* pool) {
  if (memory && weights.memory) {
    const auto projected = Workspace::view(workspace.projected, caches.size(), model.config.width);
    weights.memory->apply(workspace.quantized_retrieved, projected, pool);
    axpy(*model.kernels, weights.memory_gate, projected.values,
         Workspace::view(workspace.hidden, caches.size(), model.config.width).values);
  }
  run_attention(model, weights, caches, workspace, pool);
  tick(workspace.clock, stages.attention);
  run_feed_forward(model, weights, caches.size(), workspace, pool);
  tick(workspace.clock, stages.feed_forward);
}

}  // namespace bitmar
