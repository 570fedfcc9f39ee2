#include "runtime/caption_batch.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace bitmar {
namespace {

// Rows of a product from which on more of them save no time, measured; each session takes 4 MB.
constexpr std::size_t kUsefulRows = 4;

}  // namespace

std::size_t CaptionBatch::useful_size(const BeamOptions& options) {
  return std::max<std::size_t>(kUsefulRows / std::max<std::size_t>(options.width, 1), 1);
}

Result<CaptionBatch> CaptionBatch::open(std::vector<Session> sessions, std::size_t threads) {
  BITMAR_TRY(SessionBatch batch, SessionBatch::open(sessions.front().shared_engine(),
                                                    {.maximum_sessions = sessions.size(), .threads = threads}));
  return CaptionBatch(std::move(sessions), std::move(batch));
}

Result<void> CaptionBatch::add(const Image& photo) {
  BITMAR_TRY(const ImageFeatures features, sessions_.front().encode_image(photo));
  return add_features(features.view());
}

Result<void> CaptionBatch::add_features(MatrixView<const float> features) {
  assert(size_ < capacity());
  BITMAR_TRY_VOID(sessions_[size_].set_features(features));
  ++size_;
  return {};
}

Result<std::vector<Caption>> CaptionBatch::run(const BeamOptions& options, std::string_view prompt) {
  std::vector<Session*> sessions;
  for (Session& session : std::span(sessions_).first(std::exchange(size_, 0))) sessions.push_back(&session);
  return caption(batch_, sessions, options, prompt);
}

}  // namespace bitmar
