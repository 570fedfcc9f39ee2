#include "runtime/contrastive_encoder.h"

#include <algorithm>

#include "model/fusion.h"
#include "model/mean_direction.h"

namespace bitmar {
namespace {

constexpr std::size_t kBatchTokens = 64;

}  // namespace

ContrastiveEncoder::ContrastiveEncoder(std::shared_ptr<const Engine> engine, std::size_t maximum_tokens)
    : engine_(std::move(engine)),
      maximum_tokens_(maximum_tokens),
      no_image_(engine_->model(), MatrixView<const float>({}, 0, engine_->config().vision_width), nullptr) {
  // With <|endoftext|>.
  const std::size_t longest = maximum_tokens == kAnyLength ? kAnyLength : maximum_tokens + 1;
  const std::size_t rows = std::min(kBatchTokens, longest);
  sequence_ = std::make_unique<SequenceState>(engine_->config(), engine_->kernels(),
                                              CacheShape(engine_->config(), rows).limited_to(longest));
  workspace_ = std::make_unique<Workspace>(engine_->config(), rows, 1);
}

Result<ContrastiveEncoder> ContrastiveEncoder::open(std::shared_ptr<const Engine> engine, std::size_t maximum_tokens) {
  return ContrastiveEncoder(std::move(engine), maximum_tokens);
}

Result<std::vector<float>> ContrastiveEncoder::text(std::span<const TokenId> tokens) {
  const std::uint32_t vocabulary = engine_->config().vocabulary;
  const auto outside = std::ranges::find_if(tokens, [&](TokenId token) { return token >= vocabulary; });
  if (outside != tokens.end()) {
    return fail(ErrorCode::kOutOfRange, "token {} is outside the vocabulary of {}", *outside, vocabulary);
  }
  if (tokens.size() > maximum_tokens_) {
    return fail(ErrorCode::kOutOfRange, "a text of {} tokens; expected at most {}", tokens.size(), maximum_tokens_);
  }
  sequence_->clear();
  const std::size_t width = engine_->config().width;
  MeanDirection mean(width);
  const auto row_of = [&](TokenId token) { return TokenRow{token, sequence_.get(), &no_image_, nullptr}; };
  rows_.assign(1, row_of(engine_->tokenizer().end_of_text()));
  for (std::size_t next = 0;;) {
    while (next < tokens.size() && rows_.size() < workspace_->rows()) rows_.push_back(row_of(tokens[next++]));
    encode_text(engine_->model(), rows_, *workspace_, nullptr);
    const auto states = Workspace::view(workspace_->normed, rows_.size(), width);
    mean.add({states.values, states.rows, states.columns});
    rows_.clear();
    if (next == tokens.size()) break;
  }
  return mean.unit();
}

Result<std::vector<float>> ContrastiveEncoder::image(MatrixView<const float> features) const {
  if (features.rows == 0 || features.columns != engine_->config().vision_width) {
    return fail(ErrorCode::kInvalidArgument, "image features are [{}, {}]; {} expects [N, {}]", features.rows,
                features.columns, engine_->name(), engine_->config().vision_width);
  }
  const std::vector<float> vision = compress_vision(engine_->model(), features, nullptr);
  const std::size_t width = engine_->config().width;
  MeanDirection mean(width);
  mean.add({vision, vision.size() / width, width});
  return mean.unit();
}

}  // namespace bitmar
