#include "model/attention.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "kernels/ops.h"

namespace bitmar {
namespace {

// Multiply-adds below which handing work to threads costs more than it saves.
constexpr std::size_t kParallelWork = std::size_t{1} << 20;

// Calls run(item, scores) for every item in [0, count); each thread has its own scores.
template <typename Run>
void split_items(std::size_t count, std::size_t work, Workspace& workspace, ThreadPool* pool, const Run& run) {
  const std::size_t threads = pool == nullptr ? 1 : std::min(pool->size(), workspace.threads());
  if (threads == 1 || work < kParallelWork) {
    for (std::size_t item = 0; item < count; ++item) run(item, workspace.scores(0));
    return;
  }
  const struct Split {
    std::size_t count;
    std::size_t threads;
    Workspace& workspace;
    const Run& run;
  } split{count, threads, workspace, run};
  // One captured pointer: std::function then needs no allocation.
  pool->parallel_for(threads, 1, [&split](std::size_t begin, std::size_t end) {
    for (std::size_t thread = begin; thread < end; ++thread) {
      const std::size_t first = split.count * thread / split.threads;
      const std::size_t last = split.count * (thread + 1) / split.threads;
      for (std::size_t item = first; item < last; ++item) split.run(item, split.workspace.scores(thread));
    }
  });
}

float score_scale(const ModelConfig& config) {
  return 1.0f / std::sqrt(static_cast<float>(config.head_width()));
}

// Quantizes the heads of x [rows, d], one scale a head.
void quantize_heads_of(const BitmarModel& model, MatrixView<const float> x, QuantizedActivations& out) {
  const std::size_t heads = model.config.heads;
  quantize_heads(*model.kernels, {x.values, x.rows * heads, x.columns / heads}, out);
}

void set_query(AttentionRange& range, const QuantizedActivations& queries, std::size_t item, float scale) {
  range.query = queries.codes(item).data();
  range.query_scale = queries.inverse_scale(item) * scale;
}

}  // namespace

void append_to_caches(const BitmarModel& model, std::span<KvCache* const> caches, MatrixView<const float> key,
                      MatrixView<const float> value, Workspace& workspace) {
  quantize_heads_of(model, key, workspace.quantized_key);
  quantize_heads_of(model, value, workspace.quantized_value);
  for (std::size_t row = 0; row < caches.size(); ++row) {
    caches[row]->append(workspace.quantized_key, workspace.quantized_value, row);
  }
}

void attend_to_caches(const BitmarModel& model, std::span<KvCache* const> caches,
                      std::span<const std::uint64_t> positions, MatrixView<const float> query,
                      std::optional<MatrixView<const float>> sink_query, MatrixView<float> out, Workspace& workspace,
                      ThreadPool* pool) {
  const Kernels& kernels = *model.kernels;
  const std::size_t heads = model.config.heads;
  const std::size_t width = model.config.head_width();
  const float scale = score_scale(model.config);
  std::size_t work = 0;
  for (const std::uint64_t position : positions) {
    work += 2 * query.columns *
            static_cast<std::size_t>(std::min<std::uint64_t>(position + 1, model.config.cache_tokens()));
  }
  quantize_heads_of(model, query, workspace.quantized_query);
  if (sink_query) quantize_heads_of(model, *sink_query, workspace.quantized_sink_query);
  const QuantizedActivations& sink_codes = sink_query ? workspace.quantized_sink_query : workspace.quantized_query;
  split_items(query.rows * heads, work, workspace, pool, [&](std::size_t item, std::span<float> scratch) {
    const std::size_t row = item / heads;
    const std::size_t head = item % heads;
    KvCache::Visible seen = caches[row]->visible(head, positions[row]);
    const auto ranges = std::span(seen.ranges).first(seen.count);
    for (std::size_t i = 0; i < seen.count; ++i) {
      set_query(ranges[i], i < seen.sink_ranges ? sink_codes : workspace.quantized_query, item, scale);
    }
    attend(kernels, ranges, scratch, out.row(row).subspan(head * width, width));
  });
}

void attend_to_images(const BitmarModel& model, std::span<const TokenRow> rows, MatrixView<const float> query,
                      MatrixView<float> out, Workspace& workspace, ThreadPool* pool) {
  const Kernels& kernels = *model.kernels;
  const std::size_t heads = model.config.heads;
  const std::size_t width = model.config.head_width();
  const float scale = score_scale(model.config);
  std::size_t work = 0;
  for (const TokenRow& row : rows) work += 2 * query.columns * row.image->tokens();
  quantize_heads_of(model, query, workspace.quantized_query);
  split_items(query.rows * heads, work, workspace, pool, [&](std::size_t item, std::span<float> scratch) {
    const std::size_t row = item / heads;
    const std::size_t head = item % heads;
    AttentionRange range = rows[row].image->range(head);
    set_query(range, workspace.quantized_query, item, scale);
    attend(kernels, {&range, 1}, scratch, out.row(row).subspan(head * width, width));
  });
}

void attend_to_memories(const BitmarModel& model, std::span<const TokenRow> rows, MatrixView<const float> queries,
                        MatrixView<float> attention, MatrixView<float> retrieved, Workspace& workspace,
                        ThreadPool* pool) {
  const Kernels& kernels = *model.kernels;
  quantize_heads(kernels, queries, workspace.quantized_memory_query);
  const std::size_t work = 2 * queries.columns * queries.rows * attention.columns;
  split_items(queries.rows, work, workspace, pool, [&](std::size_t row, std::span<float> scratch) {
    const EpisodicMemory* memory = rows[row].memory;
    if (memory == nullptr) {
      std::ranges::fill(retrieved.row(row), 0.0f);
      return;
    }
    AttentionRange range = memory->range();
    range.query = workspace.quantized_memory_query.codes(row).data();
    range.query_scale = memory->query_scale(queries.row(row), workspace.quantized_memory_query.inverse_scale(row));
    attend(kernels, {&range, 1}, scratch, retrieved.row(row), attention.row(row));
  });
}

}  // namespace bitmar
