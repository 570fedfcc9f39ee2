// Softmax attention of a batch of queries, one head at a time, split over threads: over a cache's sinks and window
// (text stacks) or over an image's tokens (fusion). Queries, keys and values are 8-bit codes with one scale a head
// (docs/deviations.md). Every query's result has the same bits whatever the batch, the threads and the rows that the
// cache happens to use.
#pragma once

#include <optional>
#include <span>

#include "base/matrix_view.h"
#include "base/thread_pool.h"
#include "model/kv_cache.h"
#include "model/token_row.h"
#include "model/workspace.h"

namespace bitmar {

// Row i of `key`, rotated, and `value` [rows, d] become the next position of caches[i].
void append_to_caches(const BitmarModel& model, std::span<KvCache* const> caches, MatrixView<const float> key,
                      MatrixView<const float> value, Workspace& workspace);

// Row i of `query` [rows, d], rotated at positions[i], attends to caches[i]; its sinks are scored with row i of
// `sink_query`, or with the same where there is none. Writes out [rows, d].
void attend_to_caches(const BitmarModel& model, std::span<KvCache* const> caches,
                      std::span<const std::uint64_t> positions, MatrixView<const float> query,
                      std::optional<MatrixView<const float>> sink_query, MatrixView<float> out, Workspace& workspace,
                      ThreadPool* pool);

// Row i of `query` [rows, d] attends to all of rows[i].image. Writes out [rows, d].
void attend_to_images(const BitmarModel& model, std::span<const TokenRow> rows, MatrixView<const float> query,
                      MatrixView<float> out, Workspace& workspace, ThreadPool* pool);

// Row i of `queries` [rows, C] reads rows[i].memory: a_t into attention [rows, K], r_t into retrieved [rows, C]; zero
// r_t where there is no memory.
void attend_to_memories(const BitmarModel& model, std::span<const TokenRow> rows, MatrixView<const float> queries,
                        MatrixView<float> attention, MatrixView<float> retrieved, Workspace& workspace,
                        ThreadPool* pool);

}  // namespace bitmar
