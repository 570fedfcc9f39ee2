#include "runtime/session_batch.h"

#include <algorithm>
#include <utility>

namespace bitmar {
namespace {

// Their logits take 206 MB with GPT-2's vocabulary.
constexpr std::size_t kMaximumSessions = 1024;

}  // namespace

SessionBatch::SessionBatch(std::shared_ptr<const Engine> engine, const SessionBatchOptions& options)
    : engine_(std::move(engine)), options_(options) {
  const ModelConfig& config = engine_->config();
  if (options_.threads > 1) pool_ = std::make_unique<ThreadPool>(options_.threads);
  const std::size_t rows = std::max(options_.maximum_sessions, Session::kBatchTokens);
  workspace_ = std::make_unique<Workspace>(config, rows, options_.threads);
  sorted_.reserve(options_.maximum_sessions);
  single_.reserve(options_.maximum_sessions);
  rows_.reserve(rows);
  last_rows_.reserve(options_.maximum_sessions);
  logits_.resize(options_.maximum_sessions * config.vocabulary);
}

Result<SessionBatch> SessionBatch::open(std::shared_ptr<const Engine> engine, const SessionBatchOptions& options) {
  if (options.maximum_sessions < 1 || options.maximum_sessions > kMaximumSessions) {
    return fail(ErrorCode::kOutOfRange, "maximum sessions is {}; expected 1 to {}", options.maximum_sessions,
                kMaximumSessions);
  }
  BITMAR_TRY_VOID(check_threads(options.threads));
  return SessionBatch(std::move(engine), options);
}

Result<void> SessionBatch::check(std::span<const Request> requests) {
  if (requests.empty()) return fail(ErrorCode::kInvalidArgument, "no sessions in a batch; expected at least one");
  if (requests.size() > options_.maximum_sessions) {
    return fail(ErrorCode::kOutOfRange, "{} sessions in a batch; expected at most {}", requests.size(),
                options_.maximum_sessions);
  }
  sorted_.clear();
  for (std::size_t i = 0; i < requests.size(); ++i) {
    const Session* session = requests[i].session;
    if (session == nullptr) return fail(ErrorCode::kInvalidArgument, "session {} of the batch is null", i);
    if (session->engine_ != engine_) {
      return fail(ErrorCode::kInvalidArgument, "session {} of the batch belongs to another engine than the batch", i);
    }
    if (const auto checked = session->check_tokens(requests[i].tokens); !checked) {
      return fail(checked.error().code, "session {} of the batch: {}", i, checked.error().message);
    }
    sorted_.push_back(session);
  }
  std::ranges::sort(sorted_);
  if (const auto twice = std::ranges::adjacent_find(sorted_); twice != sorted_.end()) {
    const auto first = std::ranges::find(requests, *twice, &Request::session);
    const auto second = std::find_if(first + 1, requests.end(), [&](const Request& r) { return r.session == *twice; });
    return fail(ErrorCode::kInvalidArgument, "sessions {} and {} of the batch are the same one",
                first - requests.begin(), second - requests.begin());
  }
  return {};
}

// A request that does not fit ends a run, so that no run holds two pieces of one: the caches answer for the last
// kBatchTokens alone.
Result<MatrixView<const float>> SessionBatch::prefill(std::span<const Request> requests) {
  BITMAR_TRY_VOID(check(requests));
  for (const Request& request : requests) workspace_->reserve_image(request.session->context_->tokens());
  std::size_t finished = 0;
  const auto flush = [&] {
    run(requests, finished);
    finished += last_rows_.size();
    rows_.clear();
    last_rows_.clear();
  };
  for (const Request& request : requests) {
    for (auto tokens = request.tokens; !tokens.empty();) {
      const auto piece =
          tokens.first(std::min({tokens.size(), workspace_->rows() - rows_.size(), Session::kBatchTokens}));
      for (const TokenId token : piece) rows_.push_back(request.session->row_of(token));
      tokens = tokens.subspan(piece.size());
      if (tokens.empty()) last_rows_.push_back(rows_.size() - 1);
      if (!tokens.empty() || rows_.size() == workspace_->rows()) flush();
    }
  }
  if (!rows_.empty()) flush();
  const std::size_t vocabulary = engine_->config().vocabulary;
  return MatrixView<const float>(std::span(logits_).first(requests.size() * vocabulary), requests.size(), vocabulary);
}

void SessionBatch::run(std::span<const Request> requests, std::size_t first) {
  const BitmarModel& model = engine_->model();
  forward(model, rows_, *workspace_, pool_.get());
  if (last_rows_.empty()) return;
  const std::size_t count = last_rows_.size();
  const std::size_t vocabulary = model.config.vocabulary;
  const MatrixView<float> logits{std::span(logits_).subspan(first * vocabulary, count * vocabulary), count, vocabulary};
  compute_logits(model, *workspace_, last_rows_, logits, pool_.get());
  for (std::size_t i = 0; i < count; ++i) {
    Session& session = *requests[first + i].session;
    session.after_run(*workspace_, last_rows_[i]);
    std::ranges::copy(logits.row(i), session.logits_.begin());
    session.logits_current_ = true;
  }
}

Result<MatrixView<const float>> SessionBatch::step(std::span<Session* const> sessions,
                                                   std::span<const TokenId> tokens) {
  if (sessions.size() != tokens.size()) {
    return fail(ErrorCode::kInvalidArgument, "{} tokens for {} sessions; expected one each", tokens.size(),
                sessions.size());
  }
  single_.clear();
  for (std::size_t i = 0; i < sessions.size(); ++i) single_.push_back({sessions[i], tokens.subspan(i, 1)});
  return prefill(single_);
}

}  // namespace bitmar
