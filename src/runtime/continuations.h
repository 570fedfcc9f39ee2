// Several continuations of one session's context, read side by side: what comparing the choices of a question needs.
// The weights are read once for all of them, and every token's logits have the same bits as if the session had read
// that continuation alone.
//
//   Continuations continuations(session);
//   BITMAR_TRY_VOID(continuations.score({{{choice_a, 0}, {choice_b, 0}}}, visit));   // the session's context is kept
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <vector>

#include "base/result.h"
#include "model/sequence.h"
#include "runtime/session.h"

namespace bitmar {

class Continuations {
 public:
  // One continuation: its tokens, and from which of them on the logits are wanted.
  struct Request {
    std::span<const TokenId> tokens;
    std::size_t first = 0;
  };
  // The logits [V] after tokens[index] of a request.
  using Visitor = std::function<void(std::size_t request, std::size_t index, std::span<const float> logits)>;

  // The session, of one thread, outlives this. Keeps a context's memory for each request of the largest call.
  explicit Continuations(Session& session) : session_(&session) {}

  // Reads each request's tokens (any number, none included) after the session's context, which stays as it is, and
  // shows the wanted logits: all of one request by ascending index. kOutOfRange: a token outside the vocabulary.
  Result<void> score(std::span<const Request> requests, const Visitor& visit);

 private:
  struct Place {
    std::size_t request;
    std::size_t index;
  };
  void run_rows(const Visitor& visit);

  Session* session_;
  std::vector<SequenceState> states_;
  std::vector<TokenRow> rows_;       // of the batch that is being filled
  std::vector<std::size_t> wanted_;  // rows whose logits are shown …
  std::vector<Place> places_;        // … and what they follow
  std::vector<float> logits_;        // [rows computed together, V]
};

}  // namespace bitmar
