// Photos captioned some at a time, each with the caption that it has alone, bit for bit.
//
//   BITMAR_TRY(CaptionBatch batch, CaptionBatch::open(std::move(sessions)));
//   BITMAR_TRY_VOID(batch.add(photo));                                          // until it is full
//   BITMAR_TRY(const std::vector<Caption> captions, batch.run());               // and empty again
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "base/matrix_view.h"
#include "base/result.h"
#include "image/image.h"
#include "runtime/caption.h"
#include "runtime/session.h"
#include "runtime/session_batch.h"

namespace bitmar {

class CaptionBatch {
 public:
  // How many photos at a time save time: one where the beam alone makes enough rows.
  [[nodiscard]] static std::size_t useful_size(const CaptionOptions& options);

  // One session a photo, at least one, all of one engine. As many threads run as the first one has.
  static Result<CaptionBatch> open(std::vector<Session> sessions);

  [[nodiscard]] std::size_t capacity() const { return sessions_.size(); }
  [[nodiscard]] std::size_t size() const { return size_; }

  // One more photo, or its patch features [N, vision_width]; size() is below capacity(). One that is refused is not in
  // the batch.
  Result<void> add(const Image& photo);
  Result<void> add_features(MatrixView<const float> features);
  // The captions of all that was added, in order; caption() says how.
  Result<std::vector<Caption>> run(const CaptionOptions& options = {}, std::string_view prompt = {});

 private:
  CaptionBatch(std::vector<Session> sessions, std::optional<SessionBatch> batch)
      : sessions_(std::move(sessions)), batch_(std::move(batch)) {}

  std::vector<Session> sessions_;
  std::optional<SessionBatch> batch_;  // of several
  std::size_t size_ = 0;
};

}  // namespace bitmar
