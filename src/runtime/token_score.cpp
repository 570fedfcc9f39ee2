#include "runtime/token_score.h"

#include <algorithm>

#include "kernels/ops.h"
#include "runtime/exponential_sums.h"

namespace bitmar {

TokenScore score_token(const Kernels& kernels, std::span<const float> logits, TokenId token) {
  const std::size_t best = row_max_index(kernels, logits);
  return {double{logits[token]} - log_sum_exp(kernels, logits, logits[best]), token == best};
}

Result<std::vector<TokenScore>> score_tokens(Session& session, std::span<const TokenId> tokens,
                                             std::size_t context_count) {
  BITMAR_TRY_VOID(session.check_tokens(tokens));
  if (context_count > tokens.size()) {
    return fail(ErrorCode::kInvalidArgument, "the context is {} of {} tokens", context_count, tokens.size());
  }
  if (context_count == 0 && session.position() == 0) {
    return fail(ErrorCode::kInvalidArgument,
                "the first token of a context has no probability: read at least <|endoftext|> before it");
  }
  const Kernels& kernels = session.engine().kernels();
  const auto scored = tokens.subspan(context_count);
  std::vector<TokenScore> scores;
  scores.reserve(scored.size());
  if (scored.empty()) {
    BITMAR_TRY_VOID(session.read(tokens));
    return scores;
  }
  // The token after which the first score is read. Logits are made only where they are asked for: not after the tokens
  // before it, nor after the last.
  if (context_count == 0) {
    scores.push_back(score_token(kernels, session.logits(), scored.front()));
  } else if (context_count > 1) {
    BITMAR_TRY_VOID(session.read(tokens.first(context_count - 1)));
  }
  const std::size_t first = context_count == 0 ? 0 : context_count - 1;
  const auto predicting = tokens.subspan(first, tokens.size() - 1 - first);
  if (!predicting.empty()) {
    BITMAR_TRY_VOID(session.score(predicting, [&](std::size_t index, std::span<const float> logits) {
      scores.push_back(score_token(kernels, logits, tokens[first + index + 1]));
    }));
  }
  BITMAR_TRY_VOID(session.read(tokens.last(1)));
  return scores;
}

}  // namespace bitmar
