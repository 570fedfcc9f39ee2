// Several continuations of one session, advanced together: what beam search needs. The weights are read once for all
// branches, and each branch's logits have the same bits as the session's own would have.
//
//   Branches branches(session, 4, 40);                       // up to 4 branches of up to 40 tokens
//   const MatrixView<const float> logits = branches.step(parents, tokens);
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/matrix_view.h"
#include "runtime/session.h"

namespace bitmar {

class Branches {
 public:
  // Every branch starts as a copy of the session's context, which stays as it is; the session outlives this and is not
  // used meanwhile.
  Branches(Session& session, std::size_t count, std::size_t maximum_tokens);

  // The next generation: branch i continues branch parents[i] of the last one (any at the first step) with tokens[i].
  // At most `count` branches, at most `maximum_tokens` steps. Logits [tokens.size(), V], valid until the next call.
  MatrixView<const float> step(std::span<const std::uint32_t> parents, std::span<const TokenId> tokens);

 private:
  void place(std::span<const std::uint32_t> parents);

  Session& session_;
  std::vector<SequenceState> states_;  // [count]
  std::vector<std::size_t> place_;     // which state is branch i
  std::vector<std::size_t> next_place_;
  std::vector<bool> taken_;
  std::vector<TokenRow> rows_;
  Workspace workspace_;
  std::vector<float> logits_;  // [count, V]
};

}  // namespace bitmar
