// Beam search: the most probable continuations of a context.
//
//   BITMAR_TRY_VOID(session.read(prompt_ids));
//   BITMAR_TRY(const std::vector<Hypothesis> found, beam_search(session, {.width = 4}));
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "base/result.h"
#include "runtime/session.h"
#include "runtime/session_batch.h"

namespace bitmar {

struct BeamOptions {
  std::size_t width = 4;         // 1 is greedy search
  float length_exponent = 1.0f;  // hypotheses compare by log-probability / length^exponent; 0: by log-probability
  std::size_t maximum_tokens = 48;
  // kOutOfRange names the option.
  [[nodiscard]] Result<void> validate() const;
};

struct Hypothesis {
  std::vector<TokenId> ids;    // without <|endoftext|>
  double log_probability = 0;  // of the ids, and of <|endoftext|> where it ended
  double score = 0;            // log_probability / length^exponent, the length counting <|endoftext|>
  bool ended = false;          // by <|endoftext|>, rather than by maximum_tokens
};

// Continues a session that has read at least one token; best first, at most `width`. The search ends once `width`
// hypotheses have ended. The session's context stays as it is.
Result<std::vector<Hypothesis>> beam_search(Session& session, const BeamOptions& options);

// The same for several sessions together, different ones of the batch's engine, bit for bit: [session, rank].
// kInvalidArgument: none, or one that has read nothing.
Result<std::vector<std::vector<Hypothesis>>> beam_search(SessionBatch& batch, std::span<Session* const> sessions,
                                                         const BeamOptions& options);

}  // namespace bitmar
