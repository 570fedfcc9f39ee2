// Several users' sessions advanced together: the weights are read once for all of their tokens. What a session holds
// afterwards (context, logits, episode) has the same bits as if it had read its tokens alone, whoever else was in the
// batch. For one thread at a time, and a session is not used elsewhere during a call.
//
//   BITMAR_TRY(SessionBatch batch, SessionBatch::open(engine, {.maximum_sessions = 8, .threads = 2}));
//   BITMAR_TRY(MatrixView<const float> logits, batch.prefill(requests));        // [requests, V], prompts of any length
//   BITMAR_TRY(logits, batch.step(sessions, tokens));                           // [sessions, V], one token each
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "base/matrix_view.h"
#include "base/result.h"
#include "base/thread_pool.h"
#include "model/forward.h"
#include "runtime/engine.h"
#include "runtime/session.h"

namespace bitmar {

struct SessionBatchOptions {
  std::size_t maximum_sessions = 16;  // that one call advances; logits take 4 V bytes for each
  std::size_t threads = 1;            // the calling one included; the sessions' own are not used
};

class SessionBatch {
 public:
  // What one session reads.
  struct Request {
    Session* session = nullptr;
    std::span<const TokenId> tokens;
  };

  // kOutOfRange names the option.
  static Result<SessionBatch> open(std::shared_ptr<const Engine> engine, const SessionBatchOptions& options = {});

  [[nodiscard]] const Engine& engine() const { return *engine_; }
  [[nodiscard]] const SessionBatchOptions& options() const { return options_; }

  // Whether prefill() would accept the requests.
  Result<void> check(std::span<const Request> requests);
  // Each of `requests` (1 to maximum_sessions, different sessions of this engine) reads its tokens, at least one. The
  // logits [requests, V] after each one's last token, valid until the next call. An error names the request by its
  // index, and no session has advanced.
  Result<MatrixView<const float>> prefill(std::span<const Request> requests);
  // One token for each session.
  Result<MatrixView<const float>> step(std::span<Session* const> sessions, std::span<const TokenId> tokens);

 private:
  friend class Branches;
  SessionBatch(std::shared_ptr<const Engine> engine, const SessionBatchOptions& options);
  // Runs rows_; logits of last_rows_, which end the requests from index `first` on.
  void run(std::span<const Request> requests, std::size_t first);

  std::shared_ptr<const Engine> engine_;
  SessionBatchOptions options_;
  std::unique_ptr<ThreadPool> pool_;
  std::unique_ptr<Workspace> workspace_;
  std::vector<const Session*> sorted_;  // the sessions of a call
  std::vector<Request> single_;         // of a step
  std::vector<TokenRow> rows_;          // of a run
  std::vector<std::size_t> last_rows_;  // of the requests that end in a run
  std::vector<float> logits_;           // [maximum_sessions, V]
};

}  // namespace bitmar
