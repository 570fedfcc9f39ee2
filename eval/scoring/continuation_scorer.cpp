#include "eval/scoring/continuation_scorer.h"

#include <algorithm>
#include <cmath>

namespace bitmar {
namespace {

// The number of tokens that all begin with, without the last one of any: that one is only predicted.
std::size_t shared_length(std::span<const EncodedPair> pairs) {
  const auto& first = pairs.front().tokens;
  std::size_t length = first.size() - 1;
  for (const EncodedPair& pair : pairs.subspan(1)) {
    const auto& tokens = pair.tokens;
    length = std::min(length, tokens.size() - 1);
    const auto differing =
        std::mismatch(first.begin(), first.begin() + static_cast<std::ptrdiff_t>(length), tokens.begin());
    length = static_cast<std::size_t>(differing.first - first.begin());
  }
  return length;
}

// Adds the probability of the token after tokens[index], where it belongs to the continuation.
void count_token(const EncodedPair& pair, std::size_t index, const LogSoftmax& distribution, ContinuationScore& score) {
  if (index + 1 < pair.continuation) return;
  const TokenId token = pair.tokens[index + 1];
  score.log_probability += distribution[token];
  score.greedy &= token == distribution.most_likely();
}

}  // namespace

ContinuationScorer::ContinuationScorer(Session& session, StartToken start)
    : session_(&session), start_(start), continuations_(session) {}

Result<void> ContinuationScorer::set_preamble(std::string_view preamble) {
  if (preamble == preamble_) return {};
  preamble_.clear();
  preamble_tokens_.clear();
  if (preamble.empty()) return {};
  if (!preamble_session_) {
    BITMAR_TRY(preamble_session_, Session::open(session_->shared_engine(), session_->options()));
  }
  preamble_session_->reset();
  // Its trailing white space may merge with what follows, so that it is left to the items.
  EncodedPair pair = encode_pair(session_->engine().tokenizer(), preamble, {}, start_);
  pair.tokens.resize(pair.continuation);
  BITMAR_TRY_VOID(preamble_session_->read(pair.tokens));
  preamble_ = preamble;
  preamble_tokens_ = std::move(pair.tokens);
  return {};
}

Result<std::size_t> ContinuationScorer::rewind(std::span<const TokenId> tokens) {
  const std::size_t length = preamble_tokens_.size();
  if (length == 0 || tokens.size() < length || !std::ranges::equal(tokens.first(length), preamble_tokens_)) {
    session_->reset();
    return 0;
  }
  session_->copy_context(*preamble_session_);
  return length;
}

Result<std::size_t> ContinuationScorer::read_shared(std::span<const EncodedPair> pairs,
                                                    std::span<ContinuationScore> scores) {
  const std::size_t shared = shared_length(pairs);
  // Nobody's continuation begins before this token's successor.
  const std::size_t predicting = std::ranges::min(pairs, {}, &EncodedPair::continuation).continuation - 1;
  const auto tokens = std::span(pairs.front().tokens);
  std::size_t read = 0;
  BITMAR_TRY(read, rewind(tokens.first(std::min(shared, predicting))));
  if (read < std::min(shared, predicting)) {
    BITMAR_TRY_VOID(session_->read(tokens.first(std::min(shared, predicting)).subspan(read)));
    read = std::min(shared, predicting);
  }
  if (read == shared) return shared;
  const Kernels& kernels = session_->engine().kernels();
  const auto visit = [&](std::size_t index, std::span<const float> logits) {
    const LogSoftmax distribution(kernels, logits);
    for (std::size_t i = 0; i < pairs.size(); ++i) count_token(pairs[i], read + index, distribution, scores[i]);
  };
  BITMAR_TRY_VOID(session_->score(tokens.first(shared).subspan(read), visit));
  return shared;
}

Result<std::vector<ContinuationScore>> ContinuationScorer::score(std::span<const Choice> choices) {
  std::vector<EncodedPair> pairs;
  std::vector<ContinuationScore> scores;
  for (const Choice& choice : choices) {
    pairs.push_back(
        encode_pair(session_->engine().tokenizer(), preamble_ + choice.context, choice.continuation, start_));
    const std::size_t tokens = pairs.back().tokens.size() - pairs.back().continuation;
    if (tokens == 0) {
      return fail(ErrorCode::kInvalidArgument, "the continuation '{}' has no token of its own", choice.continuation);
    }
    const std::string_view text = std::string_view(choice.continuation).substr(choice.continuation.starts_with(' '));
    scores.push_back({.log_probability = 0,
                      .tokens = tokens,
                      .bytes = text.size(),
                      .characters = count_characters(text),
                      .greedy = true});
  }
  if (pairs.empty()) return scores;

  BITMAR_TRY(const std::size_t shared, read_shared(pairs, scores));
  std::vector<Continuations::Request> requests;
  for (const EncodedPair& pair : pairs) {
    const auto rest = std::span(pair.tokens).first(pair.tokens.size() - 1).subspan(shared);
    requests.push_back({rest, pair.continuation - 1 - std::min(pair.continuation - 1, shared)});
  }
  const Kernels& kernels = session_->engine().kernels();
  BITMAR_TRY_VOID(continuations_.score(requests, [&](std::size_t i, std::size_t index, std::span<const float> logits) {
    count_token(pairs[i], shared + index, LogSoftmax(kernels, logits), scores[i]);
  }));
  for (const ContinuationScore& score : scores) {
    if (!std::isfinite(score.log_probability)) {
      return fail(ErrorCode::kUnsupported, "{}: its logits are not finite", session_->engine().name());
    }
  }
  return scores;
}

}  // namespace bitmar
