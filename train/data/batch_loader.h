// Mixes prepared corpora into batches. The order is a pure function of seed, epoch and settings; the position is a few
// numbers, so that a resumed run sees exactly the batches that the killed one would have seen.
//
//   BITMAR_TRY(const auto loader, BatchLoader::open(settings, settings.train));
//   BITMAR_TRY(const Batch batch, loader->next());
//   const std::string position = loader->position();   // into the checkpoint, after the step on `batch`
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "data/settings.h"
#include "parallel/step_share.h"

namespace bitmar {

// B rows of G segments of at most T tokens, all of one stream.
//
// A caption segment is [end-of-text] caption [end-of-text]. A text segment holds length + 1 tokens and overlaps its
// predecessor in the row by one, so that every token of a document but its leading end-of-text is predicted once. A
// segment of `n` tokens has n - 1 inputs (tokens 0..n-2) and n - 1 targets (tokens 1..n-1). Segments may be missing at
// a row's end: their length is 0. The same photo may stand in two rows of one batch; `images` tells (a contrastive
// loss must not take such a pair for a negative).
struct Batch {
  std::uint32_t stream = 0;           // index of the stream in the settings
  std::uint64_t epoch = 0;            // of that stream
  std::uint32_t rows = 0;             // B; the last batch of an epoch may have fewer than the settings say
  std::uint32_t segments = 0;         // G
  std::uint32_t length = 0;           // T, the longest segment's
  std::vector<std::int64_t> tokens;   // [B, G, T], padded with end-of-text
  std::vector<std::int64_t> lengths;  // [B, G]
  std::vector<std::int64_t> images;   // [B]: the image's number in its stream, -1 for text
  std::uint32_t feature_tokens = 0;   // N; 0 for a stream without photos
  std::uint32_t feature_width = 0;    // F
  std::vector<float> features;        // [B, N, F]; empty where another process computes the batch
  // Targets: the sum of length - 1 over all segments.
  [[nodiscard]] std::uint64_t target_tokens() const;
};

class BatchLoader {
 public:
  // Maps the shards and feature files that `streams` name (settings.train or settings.validation). With `held_out`,
  // text streams read the held-out tokens of their shards instead of the others. Errors: a shard or feature file that
  // is missing or stale in shape, features of different shapes in one stream, a captioned image without features.
  static Result<std::unique_ptr<BatchLoader>> open(const DataSettings& settings,
                                                   const std::vector<StreamSettings>& streams, bool held_out);
  ~BatchLoader();
  BatchLoader(const BatchLoader&) = delete;
  BatchLoader& operator=(const BatchLoader&) = delete;

  // next() leaves out the features of batches that are not of `share`. Before the first next(); a position that
  // seek() takes must then lie between steps.
  void read_features_of(const StepShare& share);
  // The next batch of the endless mixture.
  [[nodiscard]] Result<Batch> next();

  // Every batch of one stream once, in a fixed order (epoch 0's), independent of position(): for evaluation.
  [[nodiscard]] std::uint64_t stream_batches(std::uint32_t stream) const;
  [[nodiscard]] Result<Batch> stream_batch(std::uint32_t stream, std::uint64_t index) const;
  // The name of the photo that Batch::images numbers.
  [[nodiscard]] const std::string& image_name(std::uint32_t stream, std::int64_t image) const;
  // Photos of a caption stream, and all captions of one: tokens without end-of-text, valid as long as the loader.
  [[nodiscard]] std::int64_t images(std::uint32_t stream) const;
  [[nodiscard]] std::vector<std::span<const std::uint16_t>> captions(std::uint32_t stream, std::int64_t image) const;

  // The position after the last batch that next() returned, as JSON.
  [[nodiscard]] std::string position() const;
  // Continues from a position; kInvalidFile where it is not one of these streams.
  [[nodiscard]] Result<void> seek(const std::string& position);

 private:
  struct State;
  explicit BatchLoader(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace bitmar
