#include "runtime/session_batch.h"

#include <cstddef>
#include <utility>

#include "bitmar/bitmar.h"
#include "capi/boundary.h"
#include "capi/handles.h"
#include "capi/options.h"

using bitmar::ErrorCode;
using bitmar::fail;
using bitmar::MatrixView;
using bitmar::Result;
using bitmar::SessionBatch;
using bitmar::SessionBatchOptions;
using bitmar::capi::convert;
using bitmar::capi::guarded;
using bitmar::capi::require;

namespace {

// The requests of a call, from `count` of them as given by at(index).
template <typename At>
Result<void> run(bitmar_batch& batch, std::size_t count, const float** logits, const At& at) {
  batch.requests.clear();
  for (std::size_t i = 0; i < count; ++i) {
    const bitmar_batch_request request = at(i);
    if (request.session == nullptr || request.ids == nullptr) {
      return fail(ErrorCode::kInvalidArgument, "session {} of the batch: its {} is NULL", i,
                  request.session == nullptr ? "handle" : "ids");
    }
    batch.requests.push_back({&request.session->session, {request.ids, request.count}});
  }
  BITMAR_TRY(const MatrixView<const float> found, batch.batch.prefill(batch.requests));
  if (logits != nullptr) *logits = found.values.data();
  return {};
}

}  // namespace

extern "C" {

bitmar_status bitmar_batch_open(const bitmar_engine* engine, const bitmar_batch_options* options, bitmar_batch** batch,
                                bitmar_error* error) {
  if (batch != nullptr) *batch = nullptr;
  return guarded(error, [&]() -> Result<void> {
    BITMAR_TRY_VOID(require(engine, "engine"));
    BITMAR_TRY_VOID(require(batch, "batch"));
    BITMAR_TRY(const SessionBatchOptions batch_options, convert(options));
    BITMAR_TRY(SessionBatch opened, SessionBatch::open(engine->engine, batch_options));
    *batch = new bitmar_batch{std::move(opened), {}};
    return {};
  });
}

void bitmar_batch_free(bitmar_batch* batch) {
  delete batch;
}

uint32_t bitmar_batch_vocabulary_size(const bitmar_batch* batch) {
  return batch == nullptr ? 0 : batch->batch.engine().config().vocabulary;
}

bitmar_status bitmar_batch_prefill(bitmar_batch* batch, const bitmar_batch_request* requests, size_t count,
                                   const float** logits, bitmar_error* error) {
  if (logits != nullptr) *logits = nullptr;
  return guarded(error, [&]() -> Result<void> {
    BITMAR_TRY_VOID(require(batch, "batch"));
    BITMAR_TRY_VOID(require(requests, "requests"));
    return run(*batch, count, logits, [&](std::size_t i) { return requests[i]; });
  });
}

bitmar_status bitmar_batch_step(bitmar_batch* batch, bitmar_session* const* sessions, const uint32_t* ids, size_t count,
                                const float** logits, bitmar_error* error) {
  if (logits != nullptr) *logits = nullptr;
  return guarded(error, [&]() -> Result<void> {
    BITMAR_TRY_VOID(require(batch, "batch"));
    BITMAR_TRY_VOID(require(sessions, "sessions"));
    BITMAR_TRY_VOID(require(ids, "ids"));
    return run(*batch, count, logits, [&](std::size_t i) { return bitmar_batch_request{sessions[i], ids + i, 1}; });
  });
}

}  // extern "C"
