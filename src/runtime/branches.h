// Several continuations of each of some sessions, advanced together: what beam search needs. The weights are read once
// for all branches of all sessions, and each branch's logits have the same bits as the session's own would have.
//
//   Branches branches(session, 4, 40);                            // up to 4 branches of up to 40 tokens
//   branches.add(0, parents, tokens);
//   const MatrixView<const float> logits = branches.step();
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/matrix_view.h"
#include "runtime/session.h"
#include "runtime/session_batch.h"

namespace bitmar {

class Branches {
 public:
  // Every branch starts as a copy of its session's context, which stays as it is; the sessions outlive this and are not
  // used meanwhile. `count` branches a session.
  Branches(Session& session, std::size_t count, std::size_t maximum_tokens);
  // Of sessions of one engine, which run in the batch's threads.
  Branches(SessionBatch& batch, std::span<Session* const> sessions, std::size_t count, std::size_t maximum_tokens);

  // The next generation of the session `index`, once a step: its branch i continues its branch parents[i] of the last
  // generation (any at the first step) with tokens[i]. At most `count` branches, at most `maximum_tokens` steps.
  void add(std::size_t index, std::span<const std::uint32_t> parents, std::span<const TokenId> tokens);
  // Runs what was added. Logits [branches added, V] in that order, valid until the next call.
  MatrixView<const float> step();

 private:
  // The branches of one session.
  struct Tree {
    Session* session;
    std::vector<SequenceState> states;  // [count]
    std::vector<std::size_t> place;     // which state is branch i
    std::vector<std::size_t> next_place;
    std::vector<bool> taken;

    Tree(Session& session, std::size_t count, std::size_t maximum_tokens);
    void place_children(std::span<const std::uint32_t> parents);
  };

  Branches(std::span<Session* const> sessions, std::size_t count, std::size_t maximum_tokens, ThreadPool* pool);

  const BitmarModel& model_;
  ThreadPool* pool_;
  std::vector<Tree> trees_;
  std::vector<TokenRow> rows_;
  Workspace workspace_;
  std::vector<float> logits_;  // [sessions * count, V]
};

}  // namespace bitmar
