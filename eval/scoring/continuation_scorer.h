// Log-probabilities of continuations given their contexts, on a session. What several choices share at the beginning of
// their tokens is read once.
//
//   BITMAR_TRY(Session session, Session::open(engine, {.memory = MemoryMode::kReadOnly}));
//   ContinuationScorer scorer(session);
//   BITMAR_TRY(const auto scores, scorer.score(choices));
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "eval/scoring/encoding.h"
#include "eval/scoring/log_softmax.h"
#include "runtime/continuations.h"
#include "runtime/session.h"

namespace bitmar {

// A continuation and what it continues.
struct Choice {
  std::string context;
  std::string continuation;
};

struct ContinuationScore {
  double log_probability = 0;  // natural logarithm, summed over the continuation's tokens
  std::uint64_t tokens = 0;
  std::uint64_t bytes = 0;       // of the continuation without the blank that separates it from its context
  std::uint64_t characters = 0;  // the same in code points
  bool greedy = false;           // every token was the most likely one
  bool operator==(const ContinuationScore&) const = default;
};

class ContinuationScorer {
 public:
  // The session, which outlives this, keeps its image and memory; its context is overwritten.
  explicit ContinuationScorer(Session& session, StartToken start = StartToken::kEmptyContext);

  // Text that the next items' contexts all begin with (the worked examples of few-shot prompts), read once. A repeated
  // call with the same text costs nothing.
  Result<void> set_preamble(std::string_view preamble);

  // One score a choice; a choice's context stands after the preamble. kInvalidArgument: a choice of which no token is
  // left to score. kUnsupported: the model's logits are not finite.
  Result<std::vector<ContinuationScore>> score(std::span<const Choice> choices);

 private:
  // Reads the tokens that all choices share and counts the shared part of their scores; returns how many it read.
  Result<std::size_t> read_shared(std::span<const EncodedPair> pairs, std::span<ContinuationScore> scores);
  // Brings the session to the start of a context, or to the preamble where `tokens` begin with it.
  Result<std::size_t> rewind(std::span<const TokenId> tokens);

  Session* session_;
  StartToken start_;
  Continuations continuations_;
  std::string preamble_;
  std::vector<TokenId> preamble_tokens_;
  std::optional<Session> preamble_session_;  // made at the first preamble
};

}  // namespace bitmar
