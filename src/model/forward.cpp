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
    tick(workspace_.clock, Stage::kEmbedding);
    run_stack(model_.encoder, &SequenceState::encoder, false, kEncoderStages);
    fuse();
    tick(workspace_.clock, Stage::kFusion);
    if (memory_) read_memories();
    tick(workspace_.clock, Stage::kMemoryRead);
    inject();
    tick(workspace_.clock, Stage::kInjection);
    run_stack(model_.decoder, &SequenceState::decoder, memory_, kDecoderStages);
    layer_norm(kernels_, view(workspace_.hidden), model_.decoder_norm.gain, model_.decoder_norm.bias,
               model_.config.norm_epsilon, view(workspace_.normed));
  }

  // The text encoder alone: Z in workspace.normed.
  void run_encoder() {
    place();
    embed();
    std::ranges::copy(view(workspace_.embedded).values, view(workspace_.hidden).values.begin());
    run_stack(model_.encoder, &SequenceState::encoder, false, kEncoderStages);
    layer_norm(kernels_, view(workspace_.hidden), model_.encoder_norm.gain, model_.encoder_norm.bias,
               model_.config.norm_epsilon, view(workspace_.normed));
  }

 private:
  MatrixView<float> view(AlignedBuffer<float>& buffer) const { return Workspace::view(buffer, rows_, width_); }

  // Gives each row its position and rotations, and moves the sequences on.
  void place() {
    const std::size_t half = model_.config.head_width() / 2;
    const std::uint64_t last = model_.config.cache_tokens() - 1;
    const auto turn = [&](std::uint64_t position, std::size_t row, AlignedBuffer<float>& cosines,
                          AlignedBuffer<float>& sines) {
      rope_angles(position, workspace_.rope_frequencies, cosines.span().subspan(row * half, half),
                  sines.span().subspan(row * half, half));
    };
    workspace_.past_clamp = false;
    for (std::size_t row = 0; row < rows_; ++row) {
      const std::uint64_t position = tokens_[row].sequence->position++;
      workspace_.positions.span()[row] = position;
      workspace_.past_clamp |= position > last;
      turn(position, row, workspace_.cosines, workspace_.sines);
    }
    for (std::size_t row = 0; row < rows_ && workspace_.past_clamp; ++row) {
      turn(std::min(workspace_.positions.span()[row], last), row, workspace_.sink_cosines, workspace_.sink_sines);
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

  void run_stack(const std::vector<TextLayerWeights>& stack, std::vector<KvCache> SequenceState::*caches, bool memory,
                 const LayerStages& stages) {
    const auto row_caches = workspace_.row_caches.span().first(rows_);
    for (std::size_t layer = 0; layer < stack.size(); ++layer) {
      for (std::size_t row = 0; row < rows_; ++row) row_caches[row] = &(tokens_[row].sequence->*caches)[layer];
      run_text_layer(model_, stack[layer], row_caches, memory, stages, workspace_, pool_);
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

  void read_memories() {
    const auto queries = view(workspace_.memory_query);
    for (std::size_t row = 0; row < rows_; ++row) {
      if (tokens_[row].memory == nullptr) continue;
      EpisodeState& episode = tokens_[row].sequence->episode;
      episode.query.advance(model_.config, *model_.memory, view(workspace_.fused).row(row), queries.row(row));
      std::ranges::copy(queries.row(row), episode.last_query.begin());
    }
    const auto attention = Workspace::view(workspace_.attention, rows_, model_.config.memory_slots);
    const auto retrieved = view(workspace_.retrieved);
    attend_to_memories(model_, tokens_, queries, attention, retrieved, workspace_, pool_);
    for (std::size_t row = 0; row < rows_; ++row) {
      if (tokens_[row].memory == nullptr) continue;
      EpisodeState& episode = tokens_[row].sequence->episode;
      for (std::size_t slot = 0; slot < attention.columns; ++slot) {
        episode.attention_sum[slot] += static_cast<double>(attention.row(row)[slot]);
      }
      ++episode.reads;
    }
    quantize_activations(kernels_, retrieved, workspace_.quantized_retrieved);
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

void encode_text(const BitmarModel& model, std::span<const TokenRow> rows, Workspace& workspace, ThreadPool* pool) {
  Batch(model, rows, workspace, pool).run_encoder();
}

namespace {

// Rows [first, first + count) of the decoder's output, as the head's input.
void quantize_states(const BitmarModel& model, Workspace& workspace, std::size_t first, std::size_t count) {
  const std::size_t width = model.config.width;
  const MatrixView<const float> normed(workspace.normed.span().subspan(first * width, count * width), count, width);
  quantize_activations(*model.kernels, normed, workspace.quantized);
}

}  // namespace

void compute_logits(const BitmarModel& model, Workspace& workspace, std::size_t first, std::size_t count,
                    MatrixView<float> logits, ThreadPool* pool) {
  quantize_states(model, workspace, first, count);
  model.output.apply(workspace.quantized, logits, pool);
}

std::uint32_t most_likely_token(const BitmarModel& model, Workspace& workspace, std::size_t row, ThreadPool* pool) {
  quantize_states(model, workspace, row, 1);
  return static_cast<std::uint32_t>(model.output.index_of_max(workspace.quantized, pool));
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
