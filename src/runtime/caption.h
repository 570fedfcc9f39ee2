// Captions: the text that a beam search finds for an image and that fits it best.
//
//   BITMAR_TRY_VOID(session.set_image(photo));
//   BITMAR_TRY(const Caption result, caption(session));
//
// Likelihood alone prefers what can be said of many photos. Among the hypotheses, the one is taken whose score plus
// `image_weight` times its cosine with the image is largest, in the space that training's contrastive objective aligns
// (runtime/contrastive_encoder.h).
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "runtime/beam_search.h"
#include "runtime/session.h"
#include "runtime/session_batch.h"

namespace bitmar {

struct CaptionOptions {
  BeamOptions beam = {};
  float image_weight = 4.0f;  // chosen on training photos (docs/experiments.md); 0: by likelihood alone
  // kOutOfRange names the option.
  [[nodiscard]] Result<void> validate() const;
};

struct Caption {
  std::string text;
  std::vector<TokenId> ids;
  double log_probability = 0;
};

// The caption of the session's image: opens a new context with <|endoftext|> and `prompt`, searches, and then reads the
// winner, so that write_episode() stores image and caption together. The text is without the prompt, and without white
// space around it. Without an image the likeliest text.
Result<Caption> caption(Session& session, const CaptionOptions& options = {}, std::string_view prompt = {});
// The same for several sessions together, bit for bit: in their order. Errors are the batch's; no session has advanced.
Result<std::vector<Caption>> caption(SessionBatch& batch, std::span<Session* const> sessions,
                                     const CaptionOptions& options = {}, std::string_view prompt = {});

}  // namespace bitmar
