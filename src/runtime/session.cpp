#include "runtime/session.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <utility>

#include "kernels/ops.h"

namespace bitmar {
namespace {

// Rows of logits that score() computes together.
constexpr std::size_t kScoreRows = 8;
// Patches of the largest tower grid.
constexpr std::size_t kMaximumPatches = 256 * 256;
constexpr std::size_t kMaximumThreads = 256;

}  // namespace

Result<void> check_threads(std::size_t threads) {
  if (threads < 1 || threads > kMaximumThreads) {
    return fail(ErrorCode::kOutOfRange, "threads is {}; expected 1 to {}", threads, kMaximumThreads);
  }
  return {};
}

Session::Session(std::shared_ptr<const Engine> engine, const SessionOptions& options)
    : engine_(std::move(engine)), options_(options) {
  const BitmarModel& model = engine_->model();
  if (options_.threads > 1) pool_ = std::make_unique<ThreadPool>(options_.threads);
  sequence_ = std::make_unique<SequenceState>(model.config, *model.kernels, CacheShape(model.config, kBatchTokens));
  workspace_ = std::make_unique<Workspace>(model.config, kBatchTokens, options_.threads);
  rows_.resize(kBatchTokens);
  logits_.resize(model.config.vocabulary);
  if (readable_memory() != nullptr) last_attention_.resize(model.config.memory_slots);
  clear_image();
}

Result<Session> Session::open(std::shared_ptr<const Engine> engine, const SessionOptions& options) {
  BITMAR_TRY_VOID(check_threads(options.threads));
  return Session(std::move(engine), options);
}

const EpisodicMemory* Session::readable_memory() const {
  if (options_.memory == MemoryMode::kOff) return nullptr;
  return memory_ ? &memory_->current() : engine_->memory();
}

void Session::set_context(MatrixView<const float> features) {
  context_.emplace(engine_->model(), features, pool_.get());
  workspace_->reserve_image(context_->tokens());
}

void Session::clear_image() {
  set_context({{}, 0, engine_->config().vision_width});
}

Result<ImageFeatures> Session::encode_image(const Image& photo) {
  const VisionTower* tower = engine_->tower();
  if (tower == nullptr) {
    return fail(ErrorCode::kUnsupported, "{} has no vision tower: give patch features, or a tower file",
                engine_->name());
  }
  if (!encoder_) encoder_.emplace(*tower);
  ImageFeatures features{{}, tower->config().patches(), tower->config().feature_width()};
  features.values.resize(features.patches * features.width);
  encoder_->encode(photo, {features.values, features.patches, features.width}, pool_.get());
  return features;
}

Result<void> Session::set_image(const Image& photo) {
  BITMAR_TRY(const ImageFeatures features, encode_image(photo));
  return set_features(features.view());
}

Result<void> Session::set_features(MatrixView<const float> features) {
  if (features.columns != engine_->config().vision_width) {
    return fail(ErrorCode::kInvalidArgument, "image features are {} wide; {} expects {}", features.columns,
                engine_->name(), engine_->config().vision_width);
  }
  if (features.rows < 1 || features.rows > kMaximumPatches) {
    return fail(ErrorCode::kOutOfRange, "{} patch features; expected 1 to {}", features.rows, kMaximumPatches);
  }
  if (!std::ranges::all_of(features.values, [](float value) { return std::isfinite(value); })) {
    return fail(ErrorCode::kInvalidArgument, "image features hold a value that is not finite");
  }
  set_context(features);
  return {};
}

Result<void> Session::check_tokens(std::span<const TokenId> tokens) const {
  if (tokens.empty()) return fail(ErrorCode::kInvalidArgument, "no tokens to read; expected at least one");
  for (const TokenId token : tokens) {
    if (token >= engine_->config().vocabulary) {
      return fail(ErrorCode::kOutOfRange, "token {} is outside the vocabulary of {}", token,
                  engine_->config().vocabulary);
    }
  }
  return {};
}

TokenRow Session::row_of(TokenId token) {
  return {token, sequence_.get(), &*context_, readable_memory()};
}

void Session::after_run(const Workspace& workspace, std::size_t row) {
  const std::size_t slots = last_attention_.size();  // 0 where no memory is read
  std::ranges::copy(workspace.attention.span().subspan(row * slots, slots), last_attention_.begin());
}

void Session::run(std::span<const TokenId> tokens) {
  for (std::size_t row = 0; row < tokens.size(); ++row) rows_[row] = row_of(tokens[row]);
  forward(engine_->model(), std::span(rows_).first(tokens.size()), *workspace_, pool_.get());
  last_row_ = tokens.size() - 1;
  logits_current_ = false;
  after_run(*workspace_, tokens.size() - 1);
}

Result<void> Session::read(std::span<const TokenId> tokens) {
  BITMAR_TRY_VOID(check_tokens(tokens));
  while (!tokens.empty()) {
    const auto batch = tokens.first(std::min(tokens.size(), kBatchTokens));
    run(batch);
    tokens = tokens.subspan(batch.size());
  }
  return {};
}

Result<std::span<const float>> Session::prefill(std::span<const TokenId> tokens) {
  BITMAR_TRY_VOID(read(tokens));
  return logits();
}

Result<void> Session::score(std::span<const TokenId> tokens, const LogitsVisitor& visit) {
  BITMAR_TRY_VOID(check_tokens(tokens));
  const std::size_t vocabulary = logits_.size();
  score_logits_.resize(kScoreRows * vocabulary);
  for (std::size_t index = 0; !tokens.empty();) {
    const auto batch = tokens.first(std::min(tokens.size(), kBatchTokens));
    run(batch);
    for (std::size_t first = 0; first < batch.size(); first += kScoreRows) {
      const std::size_t count = std::min(kScoreRows, batch.size() - first);
      const MatrixView<float> rows{std::span(score_logits_).first(count * vocabulary), count, vocabulary};
      compute_logits(engine_->model(), *workspace_, first, count, rows, pool_.get());
      for (std::size_t row = 0; row < count; ++row) visit(index++, rows.row(row));
      std::ranges::copy(rows.row(count - 1), logits_.begin());
      logits_current_ = true;
    }
    tokens = tokens.subspan(batch.size());
  }
  return {};
}

std::span<const float> Session::logits() {
  if (position() == 0) return {};
  if (!logits_current_) {
    compute_logits(engine_->model(), *workspace_, last_row_, 1, {logits_, 1, logits_.size()}, pool_.get());
    logits_current_ = true;
  }
  return logits_;
}

TokenId Session::most_likely() {
  assert(position() > 0);
  if (logits_current_) return static_cast<TokenId>(row_max_index(engine_->kernels(), logits_));
  return most_likely_token(engine_->model(), *workspace_, last_row_, pool_.get());
}

void Session::reset() {
  sequence_->clear();
}

void Session::copy_context(Session& other) {
  assert(&engine_->model() == &other.engine_->model());
  sequence_->copy_from(*other.sequence_);
  if (position() == 0) return;
  std::ranges::copy(other.logits(), logits_.begin());
  logits_current_ = true;
  last_attention_.assign(other.last_attention_.begin(), other.last_attention_.end());
}

Result<std::uint64_t> Session::write_episode(Provenance provenance) {
  BITMAR_TRY(Memory * memory, writable_memory());
  if (sequence_->episode.reads == 0) {
    return fail(ErrorCode::kInvalidArgument, "the episode is empty: read an image's text or a segment first");
  }
  const std::uint64_t id =
      memory->write(sequence_->episode.last_query, sequence_->episode.mean_attention(), std::move(provenance));
  sequence_->episode.clear();
  return id;
}

void Session::end_episode() {
  if (sequence_->episode.reads > 0) {
    if (const auto memory = writable_memory()) (*memory)->note_reads(sequence_->episode.mean_attention());
  }
  sequence_->episode.clear();
}

std::span<const float> Session::episode_query() const {
  return sequence_->episode.reads == 0 ? std::span<const float>()
                                       : std::span<const float>(sequence_->episode.last_query);
}

std::span<const float> Session::memory_attention() const {
  return sequence_->episode.reads == 0 ? std::span<const float>() : std::span<const float>(last_attention_);
}

Result<const Memory*> Session::memory() {
  if (engine_->memory() == nullptr) return fail(ErrorCode::kUnsupported, "{} has no memory", engine_->name());
  if (options_.memory == MemoryMode::kOff) return fail(ErrorCode::kUnsupported, "the memory is off in this session");
  if (!memory_) memory_.emplace(engine_);
  return &*memory_;
}

Result<Memory*> Session::writable_memory() {
  BITMAR_TRY_VOID(memory());
  if (options_.memory != MemoryMode::kReadWrite) {
    return fail(ErrorCode::kInvalidArgument, "the session is read-only: its memory cannot change");
  }
  return &*memory_;
}

Result<void> Session::set_memory(Memory memory) {
  BITMAR_TRY_VOID(this->memory());
  memory_.emplace(std::move(memory));
  return {};
}

std::size_t Session::memory_bytes() const {
  return sequence_->memory_bytes() + workspace_->memory_bytes() +
         (logits_.size() + score_logits_.size() + last_attention_.size()) * sizeof(float);
}

}  // namespace bitmar
