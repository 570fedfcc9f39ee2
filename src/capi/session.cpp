#include "runtime/session.h"

#include <algorithm>
#include <cstddef>
#include <span>
#include <utility>

#include "bitmar/bitmar.h"
#include "capi/boundary.h"
#include "capi/handles.h"
#include "capi/options.h"
#include "runtime/token_score.h"

using bitmar::Result;
using bitmar::Session;
using bitmar::SessionOptions;
using bitmar::capi::convert;
using bitmar::capi::guarded;
using bitmar::capi::require;

extern "C" {

bitmar_status bitmar_session_open(const bitmar_engine* engine, const bitmar_session_options* options,
                                  bitmar_session** session, bitmar_error* error) {
  if (session != nullptr) *session = nullptr;
  return guarded(error, [&]() -> Result<void> {
    BITMAR_TRY_VOID(require(engine, "engine"));
    BITMAR_TRY_VOID(require(session, "session"));
    BITMAR_TRY(const SessionOptions session_options, convert(options));
    BITMAR_TRY(Session opened, Session::open(engine->engine, session_options));
    *session = new bitmar_session{std::move(opened)};
    return {};
  });
}

void bitmar_session_free(bitmar_session* session) {
  delete session;
}

void bitmar_session_reset(bitmar_session* session) {
  if (session != nullptr) session->session.reset();
}

uint64_t bitmar_session_position(const bitmar_session* session) {
  return session == nullptr ? 0 : session->session.position();
}

uint32_t bitmar_session_vocabulary_size(const bitmar_session* session) {
  return session == nullptr ? 0 : session->session.engine().config().vocabulary;
}

size_t bitmar_session_memory_bytes(const bitmar_session* session) {
  return session == nullptr ? 0 : session->session.memory_bytes();
}

bitmar_status bitmar_session_prefill(bitmar_session* session, const uint32_t* ids, size_t count, const float** logits,
                                     bitmar_error* error) {
  if (logits != nullptr) *logits = nullptr;
  return guarded(error, [&]() -> Result<void> {
    BITMAR_TRY_VOID(require(session, "session"));
    BITMAR_TRY_VOID(require(ids, "ids"));
    BITMAR_TRY(const std::span<const float> found, session->session.prefill({ids, count}));
    if (logits != nullptr) *logits = found.data();
    return {};
  });
}

bitmar_status bitmar_session_step(bitmar_session* session, uint32_t id, const float** logits, bitmar_error* error) {
  return bitmar_session_prefill(session, &id, 1, logits, error);
}

bitmar_status bitmar_session_score(bitmar_session* session, const uint32_t* ids, size_t count, size_t context_count,
                                   bitmar_token_score* scores, bitmar_error* error) {
  const size_t scored = count - std::min(context_count, count);
  if (scores != nullptr) std::fill_n(scores, scored, bitmar_token_score{});
  return guarded(error, [&]() -> Result<void> {
    BITMAR_TRY_VOID(require(session, "session"));
    BITMAR_TRY_VOID(require(ids, "ids"));
    if (scored > 0) {
      BITMAR_TRY_VOID(require(scores, "scores"));
    }
    BITMAR_TRY(const auto found, bitmar::score_tokens(session->session, {ids, count}, context_count));
    std::ranges::transform(found, scores, [](const bitmar::TokenScore& score) {
      return bitmar_token_score{score.log_probability, score.most_likely};
    });
    return {};
  });
}

}  // extern "C"
