#include "model/forward.h"

#include <algorithm>
#include <cassert>

#include "kernels/ops.h"
#include "model/attention.h"
#include "model/text_layer.h"

namespace bitmar {
namespace {

// One batch on its way through the model.
class Batch {
 public:
  Batch(const BitmarModel& model, std::span<const TokenRow> tokens, Workspace& workspace, ThreadPool* pool)
      : model_(model),
        kernels_(*model.kernels),
        tokens_(tokens),
        workspace_(workspace),
        pool_(pool),
        rows_(tokens.size()),
        width_(model.config.width),
        memory_(std::ranges::any_of(tokens, [](const TokenRow& row) { return row.memory != nullptr; })) {
    assert(rows_ <= workspace.rows());
  }

  void run() {
    place();
    embed();
    std::ranges::copy(view(workspace_.embedded).values, view(workspace_.hidden).values.begin());
    run_stack(model_.encoder, &SequenceState::encoder, false);
    fuse();
    if (memory_) read_memories();
    inject();
    run_stack(model_.decoder, &SequenceState::decoder, memory_);
    layer_norm(kernels_, view(workspace_.hidden), model_.decoder_norm.gain, model_.decoder_norm.bias,
               model_.config.norm_epsilon, view(workspace_.normed));
  }

 private:
  MatrixView<float> view(AlignedBuffer<float>& buffer) const { return Workspace::view(buffer, rows_, width_); }

  // Gives each row its position and rotations, and moves the sequences on.
  void place() {
    const std::size_t half = model_.config.head_width() / 2;
    const std::uint64_t last = model_.config.cache_tokens() - 1;
    for (std::size_t row = 0; row < rows_; ++row) {
      const std::uint64_t position = tokens_[row].sequence->position++;
      workspace_.positions.span()[row] = position;
      rope_angles(position, 2 * half, model_.config.rope_base, workspace_.cosines.span().subspan(row * half, half),
                  workspace_.sines.span().subspan(row * half, half));
      if (position > last) {
        rope_angles(last, 2 * half, model_.config.rope_base, workspace_.sink_cosines.span().subspan(row * half, half),
                    workspace_.sink_sines.span().subspan(row * half, half));
      }
    }
  }

  void embed() {
    const auto embedded = view(workspace_.embedded);
    const std::span<const std::int8_t> codes = model_.token_embedding.codes;
    for (std::size_t row = 0; row < rows_; ++row) {
      const std::size_t token = tokens_[row].token;
      dequantize(kernels_, codes.subspan(token * width_, width_), model_.token_embedding.scales[token],
                 embedded.row(row));
    }
  }

  void run_stack(const std::vector<TextLayerWeights>& stack, std::vector<KvCache> SequenceState::*caches, bool memory) {
    const auto row_caches = workspace_.row_caches.span().first(rows_);
    for (std::size_t layer = 0; layer < stack.size(); ++layer) {
      for (std::size_t row = 0; row < rows_; ++row) row_caches[row] = &(tokens_[row].sequence->*caches)[layer];
      run_text_layer(model_, stack[layer], row_caches, memory, workspace_, pool_);
    }
  }

  // Z = LN(h), F = LN(Z + MHA(Z, [null; V])).
  void fuse() {
    const auto states = view(workspace_.normed);
    norm_and_quantize(model_, model_.encoder_norm, view(workspace_.hidden), states, workspace_);
    const auto query = view(workspace_.query);
    model_.fusion.query.apply(workspace_.quantized, query, pool_);
    const auto attended = view(workspace_.attended);
    attend_to_images(model_, tokens_, query, attended, workspace_, pool_);
    norm_and_quantize(model_, model_.fusion.output_norm, attended, attended, workspace_);
    const auto fused = view(workspace_.fused);
    model_.fusion.output.apply(workspace_.quantized, fused, pool_);
    add(kernels_, states.values, fused.values, fused.values);
    layer_norm(kernels_, fused, model_.fusion_norm.gain, model_.fusion_norm.bias, model_.config.norm_epsilon, fused);
  }

  // Rows that share a memory and stand together read it in one product.
  void read_memories() {
    for (std::size_t first = 0; first < rows_;) {
      std::size_t last = first + 1;
      while (last < rows_ && tokens_[last].memory == tokens_[first].memory) ++last;
      read_memory(first, last - first);
      first = last;
    }
    quantize_activations(kernels_, view(workspace_.retrieved), workspace_.quantized_retrieved);
  }

  void read_memory(std::size_t first, std::size_t count) {
    const auto rows_of = [&](AlignedBuffer<float>& buffer, std::size_t columns) {
      return MatrixView<float>(buffer.span().subspan(first * columns, count * columns), count, columns);
    };
    const auto retrieved = rows_of(workspace_.retrieved, width_);
    const EpisodicMemory* memory = tokens_[first].memory;
    if (memory == nullptr) {
      std::ranges::fill(retrieved.values, 0.0f);
      return;
    }
    const auto queries = rows_of(workspace_.memory_query, width_);
    for (std::size_t row = 0; row < count; ++row) {
      EpisodeState& episode = tokens_[first + row].sequence->episode;
      episode.query.advance(model_.config, *model_.memory, view(workspace_.fused).row(first + row), queries.row(row));
    }
    const auto attention = rows_of(workspace_.attention, model_.config.memory_slots);
    memory->read(queries, attention, retrieved, pool_);
    for (std::size_t row = 0; row < count; ++row) {
      EpisodeState& episode = tokens_[first + row].sequence->episode;
      std::ranges::copy(queries.row(row), episode.last_query.begin());
      for (std::size_t slot = 0; slot < attention.columns; ++slot) {
        episode.attention_sum[slot] += static_cast<double>(attention.row(row)[slot]);
      }
      ++episode.reads;
    }
  }

  // The decoder's input h0, from E[x], F and r.
  void inject() {
    const InjectionWeights& weights = model_.injection;
    const auto hidden = view(workspace_.hidden);
    if (weights.input) {
      join();
      weights.input->apply(workspace_.quantized, hidden, pool_);
      return;
    }
    const auto projected = view(workspace_.projected);
    quantize_activations(kernels_, view(workspace_.fused), workspace_.quantized);
    weights.fusion->apply(workspace_.quantized, projected, pool_);
    add(kernels_, view(workspace_.embedded).values, projected.values, hidden.values);
    if (!memory_) return;
    weights.memory->apply(workspace_.quantized_retrieved, projected, pool_);
    add(kernels_, hidden.values, projected.values, hidden.values);
  }

  // Quantizes [E; F] or [E; F; r]; r is zero where the memory is switched off.
  void join() {
    const std::size_t columns = model_.injection.input->columns();
    const auto joined = Workspace::view(workspace_.joined, rows_, columns);
    for (std::size_t row = 0; row < rows_; ++row) {
      const auto target = joined.row(row);
      std::ranges::copy(view(workspace_.embedded).row(row), target.begin());
      std::ranges::copy(view(workspace_.fused).row(row), target.subspan(width_).begin());
      if (columns == 2 * width_) continue;
      const auto memory_part = target.subspan(2 * width_);
      if (!memory_) {
        std::ranges::fill(memory_part, 0.0f);
      } else {
        std::ranges::copy(view(workspace_.retrieved).row(row), memory_part.begin());
      }
    }
    quantize_activations(kernels_, joined, workspace_.quantized);
  }

  const BitmarModel& model_;
  const Kernels& kernels_;
  std::span<const TokenRow> tokens_;
  Workspace& workspace_;
  ThreadPool* pool_;
  std::size_t rows_;
  std::size_t width_;
  bool memory_;  // some row reads one
};

}  // namespace

void forward(const BitmarModel& model, std::span<const TokenRow> rows, Workspace& workspace, ThreadPool* pool) {
  Batch(model, rows, workspace, pool).run();
}

void compute_logits(const BitmarModel& model, Workspace& workspace, std::size_t first, std::size_t count,
                    MatrixView<float> logits, ThreadPool* pool) {
  const std::size_t width = model.config.width;
  const MatrixView<const float> normed(workspace.normed.span().subspan(first * width, count * width), count, width);
  quantize_activations(*model.kernels, normed, workspace.quantized);
  model.output.apply(workspace.quantized, logits, pool);
}

void compute_logits(const BitmarModel& model, Workspace& workspace, std::span<const std::size_t> rows,
                    MatrixView<float> logits, ThreadPool* pool) {
  const std::size_t width = model.config.width;
  const auto normed = Workspace::view(workspace.normed, workspace.rows(), width);
  const auto chosen = Workspace::view(workspace.projected, rows.size(), width);
  for (std::size_t i = 0; i < rows.size(); ++i) std::ranges::copy(normed.row(rows[i]), chosen.row(i).begin());
  quantize_activations(*model.kernels, chosen, workspace.quantized);
  model.output.apply(workspace.quantized, logits, pool);
}

}  // namespace bitmar
