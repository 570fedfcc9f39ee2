#include "runtime/caption_batch.h"

#include <algorithm>
#include <cassert>
#include <span>
#include <utility>

namespace bitmar {
namespace {

// Rows of a product from which on more of them save no time, measured; each session takes 4 MB.
constexpr std::size_t kUsefulRows = 4;

}  // namespace

std::size_t CaptionBatch::useful_size(const CaptionOptions& options) {
  return std::max<std::size_t>(kUsefulRows / std::max<std::size_t>(options.beam.width, 1), 1);
}

Result<CaptionBatch> CaptionBatch::open(std::vector<Session> sessions) {
  std::optional<SessionBatch> batch;
  if (sessions.size() > 1) {
    const Session& first = sessions.front();
    BITMAR_TRY(batch, SessionBatch::open(first.shared_engine(),
                                         {.maximum_sessions = sessions.size(), .threads = first.options().threads}));
  }
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

Result<std::vector<Caption>> CaptionBatch::run(const CaptionOptions& options, std::string_view prompt) {
  const auto used = std::span(sessions_).first(std::exchange(size_, 0));
  std::vector<Caption> captions;
  if (used.size() == 1) {
    BITMAR_TRY(Caption only, caption(used.front(), options, prompt));
    captions.push_back(std::move(only));
  } else if (used.size() > 1) {
    std::vector<Session*> sessions;
    for (Session& session : used) sessions.push_back(&session);
    BITMAR_TRY(captions, caption(*batch_, sessions, options, prompt));
  }
  return captions;
}

}  // namespace bitmar
