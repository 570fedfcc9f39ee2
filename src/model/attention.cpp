#include "model/attention.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "kernels/ops.h"

namespace bitmar {
namespace {

// Multiply-adds below which handing work to threads costs more than it saves.
constexpr std::size_t kParallelWork = std::size_t{1} << 18;

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

}  // namespace

void attend_to_caches(const BitmarModel& model, std::span<KvCache* const> caches,
                      std::span<const std::uint64_t> positions, MatrixView<const float> query,
                      MatrixView<const float> sink_query, MatrixView<float> out, Workspace& workspace,
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
  split_items(query.rows * heads, work, workspace, pool, [&](std::size_t item, std::span<float> scratch) {
    const std::size_t row = item / heads;
    const std::size_t head = item % heads;
    const KvCache& cache = *caches[row];
    const auto seen = cache.visible(positions[row]);
    const auto scores = scratch.first(seen.sink_count + seen.window_count);
    const auto keys = cache.keys(head);
    attention_scores(kernels, sink_query.row(row).subspan(head * width, width), keys.first(seen.sink_count * width),
                     width, scale, scores.first(seen.sink_count));
    const std::size_t window_begin = seen.window_row * width;
    const std::size_t window_size = seen.window_count * width;
    attention_scores(kernels, query.row(row).subspan(head * width, width), keys.subspan(window_begin, window_size),
                     width, scale, scores.subspan(seen.sink_count));
    softmax(kernels, scores);

    const auto target = out.row(row).subspan(head * width, width);
    std::ranges::fill(target, 0.0f);
    const auto values = cache.values(head);
    weighted_sum(kernels, scores.first(seen.sink_count), values.first(seen.sink_count * width), width, target);
    weighted_sum(kernels, scores.subspan(seen.sink_count), values.subspan(window_begin, window_size), width, target);
  });
}

void attend_to_image(const BitmarModel& model, const FusionContext& context, MatrixView<const float> query,
                     MatrixView<float> out, Workspace& workspace, ThreadPool* pool) {
  const Kernels& kernels = *model.kernels;
  const std::size_t heads = model.config.heads;
  const std::size_t width = model.config.head_width();
  const float scale = score_scale(model.config);
  const std::size_t work = 2 * query.columns * query.rows * context.tokens();
  split_items(query.rows * heads, work, workspace, pool, [&](std::size_t item, std::span<float> scratch) {
    const std::size_t row = item / heads;
    const std::size_t head = item % heads;
    const auto scores = scratch.first(context.tokens());
    attention_scores(kernels, query.row(row).subspan(head * width, width), context.keys(head), width, scale, scores);
    softmax(kernels, scores);
    const auto target = out.row(row).subspan(head * width, width);
    std::ranges::fill(target, 0.0f);
    weighted_sum(kernels, scores, context.values(head), width, target);
  });
}

}  // namespace bitmar
