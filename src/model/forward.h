// Runs the whole text side of the model over a batch of tokens: encoder, fusion, memory read, decoder, head (DESIGN
// section 2). The tokens may be consecutive ones of one sequence (reading a prompt) or one each of several (beams);
// every token's results have the same bits in any batch and with any number of threads.
//
//   const ForwardInput input{tokens, sequences, &context, &memory};
//   forward(model, input, workspace, &pool);             // advances the sequences
//   compute_logits(model, workspace, rows - 1, 1, logits, &pool);
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/matrix_view.h"
#include "base/thread_pool.h"
#include "model/episodic_memory.h"
#include "model/fusion.h"
#include "model/sequence.h"
#include "model/workspace.h"

namespace bitmar {

// Token i continues sequences[i]. Tokens of one sequence stand together, in order.
struct ForwardInput {
  std::span<const std::uint32_t> tokens;      // [rows], below the vocabulary's size
  std::span<SequenceState* const> sequences;  // [rows]
  const FusionContext* image = nullptr;       // never null: without an image, the null token's context
  const EpisodicMemory* memory = nullptr;     // null: memory off, r_t = 0
};

// Rows: at most workspace.rows(). Leaves F, q, a and r of each row in the workspace, and the decoder's normed output.
void forward(const BitmarModel& model, const ForwardInput& input, Workspace& workspace, ThreadPool* pool);

// Logits [count, V] of rows [first, first + count) of the last forward().
void compute_logits(const BitmarModel& model, Workspace& workspace, std::size_t first, std::size_t count,
                    MatrixView<float> logits, ThreadPool* pool);

}  // namespace bitmar
