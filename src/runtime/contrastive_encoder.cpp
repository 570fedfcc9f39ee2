#include "runtime/contrastive_encoder.h"

#include <algorithm>
#include <cmath>

#include "model/fusion.h"

namespace bitmar {
namespace {

constexpr std::size_t kBatchTokens = 64;

// The mean of sums over `count` rows, divided by its L2 norm; zeros stay zeros.
std::vector<float> unit_mean(std::span<const double> sums) {
  double squares = 0;
  for (const double sum : sums) squares += sum * sum;
  const double norm = std::sqrt(squares);
  std::vector<float> unit(sums.size());
  if (norm > 0) std::ranges::transform(sums, unit.begin(), [&](double sum) { return static_cast<float>(sum / norm); });
  return unit;
}

void add_rows(MatrixView<const float> rows, std::span<double> sums) {
  for (std::size_t row = 0; row < rows.rows; ++row) {
    const auto values = rows.row(row);
    for (std::size_t i = 0; i < sums.size(); ++i) sums[i] += double{values[i]};
  }
}

}  // namespace

ContrastiveEncoder::ContrastiveEncoder(std::shared_ptr<const Engine> engine)
    : engine_(std::move(engine)),
      no_image_(engine_->model(), MatrixView<const float>({}, 0, engine_->config().vision_width), nullptr) {
  sequence_ = std::make_unique<SequenceState>(engine_->config(), engine_->kernels(),
                                              CacheShape(engine_->config(), kBatchTokens));
  workspace_ = std::make_unique<Workspace>(engine_->config(), kBatchTokens, 1);
}

Result<ContrastiveEncoder> ContrastiveEncoder::open(std::shared_ptr<const Engine> engine) {
  return ContrastiveEncoder(std::move(engine));
}

Result<std::vector<float>> ContrastiveEncoder::text(std::span<const TokenId> tokens) {
  const std::uint32_t vocabulary = engine_->config().vocabulary;
  const auto outside = std::ranges::find_if(tokens, [&](TokenId token) { return token >= vocabulary; });
  if (outside != tokens.end()) {
    return fail(ErrorCode::kOutOfRange, "token {} is outside the vocabulary of {}", *outside, vocabulary);
  }
  sequence_->clear();
  const std::size_t width = engine_->config().width;
  std::vector<double> sums(width);
  const auto row_of = [&](TokenId token) { return TokenRow{token, sequence_.get(), &no_image_, nullptr}; };
  rows_.assign(1, row_of(engine_->tokenizer().end_of_text()));
  for (std::size_t next = 0;;) {
    while (next < tokens.size() && rows_.size() < kBatchTokens) rows_.push_back(row_of(tokens[next++]));
    encode_text(engine_->model(), rows_, *workspace_, nullptr);
    const auto states = Workspace::view(workspace_->normed, rows_.size(), width);
    add_rows({states.values, states.rows, states.columns}, sums);
    rows_.clear();
    if (next == tokens.size()) break;
  }
  return unit_mean(sums);
}

Result<std::vector<float>> ContrastiveEncoder::image(MatrixView<const float> features) const {
  if (features.rows == 0 || features.columns != engine_->config().vision_width) {
    return fail(ErrorCode::kInvalidArgument, "image features are [{}, {}]; {} expects [N, {}]", features.rows,
                features.columns, engine_->name(), engine_->config().vision_width);
  }
  const std::vector<float> vision = compress_vision(engine_->model(), features, nullptr);
  const std::size_t width = engine_->config().width;
  std::vector<double> sums(width);
  add_rows({vision, vision.size() / width, width}, sums);
  return unit_mean(sums);
}

}  // namespace bitmar
