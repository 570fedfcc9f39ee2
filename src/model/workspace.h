// Everything that running the model writes besides its caches: allocated once, for batches of up to `rows` tokens.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/matrix_view.h"
#include "base/thread_pool.h"
#include "kernels/aligned_buffer.h"
#include "kernels/linear.h"
#include "model/kv_cache.h"
#include "model/schema/config.h"
#include "model/stage_clock.h"

namespace bitmar {

class Workspace {
 public:
  // threads: how many may attend at once.
  Workspace(const ModelConfig& config, std::size_t rows, std::size_t threads);

  // Makes place for attention over an image of `tokens` tokens; the caches' windows always fit.
  void reserve_image(std::size_t tokens);

  [[nodiscard]] std::size_t rows() const { return rows_; }
  [[nodiscard]] std::size_t threads() const { return threads_; }
  [[nodiscard]] std::span<float> scores(std::size_t thread) { return scores_.span().subspan(thread * keys_, keys_); }
  [[nodiscard]] std::size_t memory_bytes() const;

  // The first `count` rows of a buffer of `width` columns.
  [[nodiscard]] static MatrixView<float> view(AlignedBuffer<float>& buffer, std::size_t count, std::size_t width) {
    return {buffer.span().first(count * width), count, width};
  }

  AlignedBuffer<float> embedded;      // E[x] [rows, d]
  AlignedBuffer<float> hidden;        // the residual stream [rows, d]
  AlignedBuffer<float> normed;        // [rows, d]
  AlignedBuffer<float> query;         // [rows, d]
  AlignedBuffer<float> sink_query;    // [rows, d]: rotated to the clamped position
  AlignedBuffer<float> key;           // [rows, d]
  AlignedBuffer<float> value;         // [rows, d]
  AlignedBuffer<float> attended;      // [rows, d]
  AlignedBuffer<float> projected;     // [rows, d]
  AlignedBuffer<float> ffn;           // [rows, f]
  AlignedBuffer<float> fused;         // F [rows, d]
  AlignedBuffer<float> memory_query;  // q [rows, d]
  AlignedBuffer<float> retrieved;     // r [rows, d]
  AlignedBuffer<float> attention;     // a [rows, K]
  AlignedBuffer<float> joined;        // [E; F; r] [rows, 3d], kConcatenate only
  AlignedBuffer<float> cosines;       // [rows, head_width / 2] of the position
  AlignedBuffer<float> sines;
  AlignedBuffer<float> sink_cosines;  // [rows, head_width / 2] of the clamped position
  AlignedBuffer<float> sink_sines;
  bool past_clamp = false;                 // some row's position exceeds the clamp
  std::vector<double> rope_frequencies;    // [head_width / 2]
  AlignedBuffer<std::uint64_t> positions;  // [rows]
  AlignedBuffer<KvCache*> row_caches;      // [rows]: of the layer that runs
  QuantizedActivations quantized;
  QuantizedActivations quantized_retrieved;
  QuantizedActivations quantized_memory_query;
  // One row a head: [rows * heads, head_width].
  QuantizedActivations quantized_query;
  QuantizedActivations quantized_sink_query;
  QuantizedActivations quantized_key;
  QuantizedActivations quantized_value;
  StageClock* clock = nullptr;  // where given, told the end of each stage

 private:
  std::size_t rows_;
  std::size_t threads_;
  std::size_t keys_;
  AlignedBuffer<float> scores_;  // [threads, keys]
};

}  // namespace bitmar
