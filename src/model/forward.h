// Runs the whole text side of the model over a batch of tokens: encoder, fusion, memory read, decoder, head
// (docs/model.md). The tokens may be consecutive ones of one sequence (reading a prompt), or one each of several
// (beams, users with their own images and memories); every token's results have the same bits in any batch and with any
// number of threads.
//
//   forward(model, rows, workspace, &pool);              // advances the rows' sequences
//   compute_logits(model, workspace, rows - 1, 1, logits, &pool);
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/matrix_view.h"
#include "base/thread_pool.h"
#include "model/token_row.h"
#include "model/workspace.h"

namespace bitmar {

// Rows: at most workspace.rows(); those of one sequence stand together, in order. Leaves F, q, a and r of each row in
// the workspace (q, a, r where the row has a memory), and the decoder's normed output.
void forward(const BitmarModel& model, std::span<const TokenRow> rows, Workspace& workspace, ThreadPool* pool);

// The text encoder alone, on sequences that forward() never sees. Leaves Z of each row, the encoder's normed output
// before fusion, in workspace.normed. The rows' images and memories have no part in it.
void encode_text(const BitmarModel& model, std::span<const TokenRow> rows, Workspace& workspace, ThreadPool* pool);

// Logits [count, V] of rows [first, first + count) of the last forward().
void compute_logits(const BitmarModel& model, Workspace& workspace, std::size_t first, std::size_t count,
                    MatrixView<float> logits, ThreadPool* pool);
// The same of any rows of it, in any order.
void compute_logits(const BitmarModel& model, Workspace& workspace, std::span<const std::size_t> rows,
                    MatrixView<float> logits, ThreadPool* pool);

// The token of the largest logit of one row of the last forward(), the lowest of several.
[[nodiscard]] std::uint32_t most_likely_token(const BitmarModel& model, Workspace& workspace, std::size_t row,
                                              ThreadPool* pool);

}  // namespace bitmar
