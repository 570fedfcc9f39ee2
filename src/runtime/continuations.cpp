#include "runtime/continuations.h"

#include <algorithm>

#include "model/forward.h"

namespace bitmar {
namespace {

// Rows of logits that are computed together.
constexpr std::size_t kLogitRows = 8;

}  // namespace

Result<void> Continuations::score(std::span<const Request> requests, const Visitor& visit) {
  for (const Request& request : requests) {
    if (request.tokens.empty()) continue;
    BITMAR_TRY_VOID(session_->check_tokens(request.tokens));
  }
  // The session's workspace will hold other rows than its last token's, from which its logits would be computed.
  static_cast<void>(session_->logits());
  const ModelConfig& config = session_->engine().config();
  while (states_.size() < requests.size()) {
    states_.emplace_back(config, session_->engine().kernels(), session_->sequence_->encoder.front().shape());
  }
  logits_.resize(kLogitRows * config.vocabulary);
  const std::size_t capacity = session_->workspace_->rows();
  for (std::size_t request = 0; request < requests.size(); ++request) {
    const auto& [tokens, first] = requests[request];
    if (tokens.empty()) continue;
    states_[request].copy_from(*session_->sequence_);
    for (std::size_t index = 0; index < tokens.size(); ++index) {
      if (rows_.size() == capacity) run_rows(visit);
      if (index >= first) {
        wanted_.push_back(rows_.size());
        places_.push_back({request, index});
      }
      rows_.push_back(session_->row_of(tokens[index]));
      rows_.back().sequence = &states_[request];
    }
  }
  if (!rows_.empty()) run_rows(visit);
  return {};
}

void Continuations::run_rows(const Visitor& visit) {
  const BitmarModel& model = session_->engine().model();
  const std::size_t vocabulary = model.config.vocabulary;
  ThreadPool* const pool = session_->pool_.get();
  forward(model, rows_, *session_->workspace_, pool);
  for (std::size_t begin = 0; begin < wanted_.size(); begin += kLogitRows) {
    const std::size_t count = std::min(kLogitRows, wanted_.size() - begin);
    const MatrixView<float> logits{std::span(logits_).first(count * vocabulary), count, vocabulary};
    compute_logits(model, *session_->workspace_, std::span(wanted_).subspan(begin, count), logits, pool);
    for (std::size_t row = 0; row < count; ++row) {
      visit(places_[begin + row].request, places_[begin + row].index, logits.row(row));
    }
  }
  rows_.clear();
  wanted_.clear();
  places_.clear();
}

}  // namespace bitmar
