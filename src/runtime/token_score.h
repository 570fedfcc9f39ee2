// How likely a model finds given tokens: their log-probabilities, which perplexity and scoring by likelihood are made
// of. Softmax and logarithm in FP64, over the FP32 logits.
//
//   session.reset();
//   BITMAR_TRY(const auto scores, score_tokens(session, ids, 1));  // of ids[1], ids[2], …
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "base/result.h"
#include "runtime/session.h"

namespace bitmar {

struct TokenScore {
  double log_probability = 0;  // natural, of the token given all before it
  bool most_likely = false;    // no logit is above the token's, and no lower id has the same: greedy search takes it
};

// Of one token after `logits` [V], V > token. Relative error of the probability: 1e-12.
[[nodiscard]] TokenScore score_token(const Kernels& kernels, std::span<const float> logits, TokenId token);

// Reads all tokens and scores tokens[context_count ..], each given those before it in the session's context. Errors,
// with which the session has read nothing: kInvalidArgument where there is no token, where context_count is above
// their number, or where it is 0 at the start of a context, which predicts nothing; kOutOfRange where an id is outside
// the vocabulary.
[[nodiscard]] Result<std::vector<TokenScore>> score_tokens(Session& session, std::span<const TokenId> tokens,
                                                           std::size_t context_count);

}  // namespace bitmar
