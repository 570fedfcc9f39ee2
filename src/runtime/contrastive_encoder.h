// Texts and images as points of one space, where a caption lies near its photo: what training's contrastive objective
// aligns (docs/model.md, "Objective"). A text is the mean of Z, the text encoder's output before fusion; an image
// the mean of V_img, its compressed patch features. There are no further projections: both have the model's width d.
//
//   BITMAR_TRY(ContrastiveEncoder encoder, ContrastiveEncoder::open(engine));
//   BITMAR_TRY(const std::vector<float> text, encoder.text(engine->tokenizer().encode("A dog runs.")));
//   BITMAR_TRY(const std::vector<float> image, encoder.image(features.view()));
//   const float similarity = std::inner_product(text.begin(), text.end(), image.begin(), 0.0f);
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "base/matrix_view.h"
#include "base/result.h"
#include "model/forward.h"
#include "model/sequence.h"
#include "runtime/engine.h"

namespace bitmar {

// For one thread at a time; the engine is shared.
class ContrastiveEncoder {
 public:
  // For texts of at most `maximum_tokens`: the fewer, the less memory it takes.
  static Result<ContrastiveEncoder> open(std::shared_ptr<const Engine> engine, std::size_t maximum_tokens = kAnyLength);
  static constexpr std::size_t kAnyLength = static_cast<std::size_t>(-1);

  // Unit vector [d] of a text, which <|endoftext|> precedes as in training; an empty text is that alone. Z sees no
  // image and no memory. kOutOfRange: a token outside the vocabulary, or too many of them.
  Result<std::vector<float>> text(std::span<const TokenId> tokens);
  // Unit vector [d] of patch features [N, vision_width]. kInvalidArgument where they are none or of another width.
  [[nodiscard]] Result<std::vector<float>> image(MatrixView<const float> features) const;

 private:
  ContrastiveEncoder(std::shared_ptr<const Engine> engine, std::size_t maximum_tokens);

  std::shared_ptr<const Engine> engine_;
  std::size_t maximum_tokens_;
  std::unique_ptr<SequenceState> sequence_;
  std::unique_ptr<Workspace> workspace_;
  FusionContext no_image_;
  std::vector<TokenRow> rows_;
};

}  // namespace bitmar
