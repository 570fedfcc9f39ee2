// Evaluation on held-out data, always with the full vocabulary: perplexity, cross-modal cosine, greedy captions.
//
// It draws no random numbers and leaves model and memory as they were, so that a run's curve does not depend on it.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "data/batch_loader.h"
#include "nn/bitmar_model.h"
#include "text/tokenizer.h"

namespace bitmar {

struct StreamEvaluation {
  double loss = 0;  // nats a token
  double perplexity = 0;
  std::optional<double> cosine;  // the mean over pairs of text and image, for streams with photos
  std::uint64_t tokens = 0;
};

// The first `batches` batches of a validation stream; 0: all.
[[nodiscard]] Result<StreamEvaluation> evaluate_stream(BitmarModel& model, const BatchLoader& loader,
                                                       std::uint32_t stream, std::uint64_t batches,
                                                       std::int64_t chunk_tokens);

struct CaptionSample {
  std::string image;
  std::string caption;                  // greedy
  std::vector<std::string> references;  // the photo's own, at least one
};

// Greedy captions of the first `count` different photos of a stream with photos.
[[nodiscard]] Result<std::vector<CaptionSample>> caption_samples(BitmarModel& model, const BatchLoader& loader,
                                                                 std::uint32_t stream, std::uint32_t count,
                                                                 const Tokenizer& tokenizer);

// CIDEr-D of the samples, over these photos alone: comparable between evaluations of the same photos, and only nearly
// with `bitmar eval captions`, whose model file decodes by beam search.
[[nodiscard]] Result<double> cider_of(std::span<const CaptionSample> samples);

}  // namespace bitmar
