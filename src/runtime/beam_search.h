// Beam search: the most probable continuations, for captions.
//
//   BITMAR_TRY_VOID(session.set_image(photo));
//   BITMAR_TRY(const Caption result, caption(session, {.width = 4}));
#pragma once

#include <cstddef>
#include <span>
#include <string>
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

struct Caption {
  std::string text;
  std::vector<TokenId> ids;
  double log_probability = 0;
};

// The caption of the session's image: opens a new context with <|endoftext|> and `prompt`, searches, and then reads the
// winner, so that write_episode() stores image and caption together. The text is without the prompt, and without white
// space around it.
Result<Caption> caption(Session& session, const BeamOptions& options = {}, std::string_view prompt = {});
// The same for several sessions together, bit for bit: in their order. Errors are the batch's; no session has advanced.
Result<std::vector<Caption>> caption(SessionBatch& batch, std::span<Session* const> sessions,
                                     const BeamOptions& options = {}, std::string_view prompt = {});

}  // namespace bitmar
