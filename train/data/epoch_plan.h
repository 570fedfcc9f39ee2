// Which rows one epoch of a stream has, and how they are dealt into batches: a pure function of the stream's shards,
// its settings, the seed and the epoch.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/random.h"
#include "base/result.h"
#include "data/settings.h"
#include "data/shard.h"
#include "io/feature_file.h"

namespace bitmar {

// One segment of a row: tokens of a shard, with an end-of-text before and after where the flags say so.
struct Segment {
  std::span<const std::uint16_t> tokens;
  bool starts = false;
  bool ends = false;
  // With the end-of-text marks; 0 for a segment that is missing.
  [[nodiscard]] std::uint64_t length() const {
    return tokens.size() + static_cast<std::uint64_t>(starts) + static_cast<std::uint64_t>(ends);
  }
};

struct Row {
  std::int64_t image = -1;  // number in the stream
  std::uint32_t view = 0;   // which of the stream's feature files
};

struct BatchRange {
  std::uint64_t first = 0;  // into EpochPlan::order
  std::uint64_t count = 0;
};

struct EpochPlan {
  std::uint32_t segments_per_row = 1;  // G
  std::vector<Row> rows;
  std::vector<Segment> segments;     // [rows, G]
  std::vector<std::uint64_t> order;  // of the rows
  std::vector<BatchRange> batches;
};

// The rows of a stream. Images are numbered through all of its caption shards, one after the other.
class Stream {
 public:
  Stream(Stream&&) = default;
  Stream& operator=(Stream&&) = default;
  Stream(const Stream&) = delete;  // images borrow from the shards
  Stream& operator=(const Stream&) = delete;

  // `held_out`: text rows come from the held-out tails of the shards instead of their other parts.
  static Result<Stream> open(const DataSettings& data, const StreamSettings& settings, bool held_out);

  // `shuffled` false: rows in the order of the shards, each image's captions in file order (evaluation).
  [[nodiscard]] EpochPlan plan(std::uint64_t seed, std::uint64_t epoch, bool shuffled) const;

  [[nodiscard]] const StreamSettings& settings() const { return settings_; }
  [[nodiscard]] const std::vector<FeatureFile>& features() const { return features_; }
  [[nodiscard]] const std::string& image_name(std::int64_t image) const {
    return *images_[static_cast<std::size_t>(image)].name;
  }
  [[nodiscard]] std::int64_t images() const { return static_cast<std::int64_t>(images_.size()); }
  // All captions of an image, uncut.
  [[nodiscard]] std::vector<std::span<const std::uint16_t>> captions(std::int64_t image) const;
  // Row of `image` in feature file `view`.
  [[nodiscard]] std::uint64_t feature_row(std::int64_t image, std::uint32_t view) const {
    return feature_rows_[static_cast<std::size_t>(image) * features_.size() + view];
  }
  [[nodiscard]] std::uint64_t vocabulary() const { return vocabulary_; }
  // Changes when anything does that the plans depend on.
  [[nodiscard]] const std::string& fingerprint() const { return fingerprint_; }

 private:
  struct Image {
    const std::string* name = nullptr;  // borrowed from the shard
    const Shard* shard = nullptr;
    std::uint64_t group = 0;
  };
  Result<void> open_features();
  Result<void> list_documents(bool held_out);
  Stream() = default;
  void plan_captions(EpochPlan& plan, bool shuffled, Random& random) const;
  // `move_cuts`: long documents are cut elsewhere than in the first epoch, so that no token always starts a chunk.
  void plan_text(EpochPlan& plan, bool move_cuts, Random& random) const;

  StreamSettings settings_;
  std::uint32_t bucket_batches_ = 1;
  std::uint64_t vocabulary_ = 0;
  std::string fingerprint_;
  std::vector<Shard> shards_;  // never resized after the images borrow from it
  std::vector<FeatureFile> features_;
  std::vector<Image> images_;
  std::vector<std::uint64_t> feature_rows_;                // [images, views]
  std::vector<std::span<const std::uint16_t>> documents_;  // text
};

}  // namespace bitmar
