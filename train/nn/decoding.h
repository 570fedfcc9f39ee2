// Captions from the modules themselves, by recomputation of every prefix: for a look at a training, and for learning
// from the model's own captions. Deployment decodes with caches, in src/runtime.
#pragma once

#include <cstdint>
#include <vector>

#include "base/random.h"
#include "nn/bitmar_model.h"
#include "text/tokenizer.h"
#include "torch_headers.h"

namespace bitmar {

struct DecodedCaption {
  std::vector<TokenId> ids;  // without end-of-text
  bool ended = false;        // by end-of-text, rather than by the limit
};

struct DecodingLimits {
  std::int64_t tokens = 24;  // of a caption, end-of-text included
  TokenId end_of_text = 0;
};

// The most probable token at every step. features [photos, N, F] -> [photos]. Evaluation mode, no gradients; weights
// and memory stay as they are.
[[nodiscard]] std::vector<DecodedCaption> decode_greedily(BitmarModel& model, const torch::Tensor& features,
                                                          const DecodingLimits& limits);

// `samples` captions of each photo from the model's own distribution (temperature 1, nothing cut off).
// -> [photos * samples], those of a photo side by side.
[[nodiscard]] std::vector<DecodedCaption> draw_captions(BitmarModel& model, const torch::Tensor& features,
                                                        std::int64_t samples, const DecodingLimits& limits,
                                                        Random& random);

}  // namespace bitmar
