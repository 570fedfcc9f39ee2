// A prepared corpus: a folder of .npy files that are memory-mapped for training.
//
//   tokens.npy   U16 [tokens]           all sequences one after the other, without end-of-text marks
//   offsets.npy  U64 [sequences + 1]    where each sequence (caption or document) starts
//   groups.npy   U64 [images + 1]       captions only: the first sequence of each image
//   images.txt                          captions only: the images' names, one a line
//   manifest.json                       written last: what the shard was made from; without it there is no shard
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "data/settings.h"
#include "io/npy.h"

namespace bitmar {

// manifest.json. A shard is up to date when `fingerprint` is what its source would give now.
struct ShardManifest {
  std::string name;
  SourceKind kind = SourceKind::kText;
  std::string fingerprint;  // FNV-1a 64 over source bytes, image list, tokenizer merges and options
  std::string source;       // the file's name, without its folder
  std::uint64_t vocabulary = 0;
  std::uint64_t images = 0;
  std::uint64_t sequences = 0;
  std::uint64_t words = 0;
  std::uint64_t tokens = 0;
  std::uint64_t holdout_tokens = 0;  // the last ones of the shard

  static Result<ShardManifest> read(const std::string& path);
  [[nodiscard]] Result<void> write(const std::string& path) const;  // atomic
};

class Shard {
 public:
  // Checks the files against the manifest: counts, monotonic offsets, token range.
  static Result<Shard> open(const std::string& folder);

  [[nodiscard]] const ShardManifest& manifest() const { return manifest_; }
  [[nodiscard]] const std::vector<std::string>& image_names() const { return image_names_; }
  [[nodiscard]] std::span<const std::uint16_t> tokens() const { return tokens_; }
  [[nodiscard]] std::span<const std::uint64_t> offsets() const { return offsets_; }
  [[nodiscard]] std::span<const std::uint64_t> groups() const { return groups_; }
  [[nodiscard]] std::span<const std::uint16_t> sequence(std::uint64_t index) const {
    return tokens_.subspan(offsets_[index], offsets_[index + 1] - offsets_[index]);
  }

 private:
  ShardManifest manifest_;
  std::vector<std::string> image_names_;
  std::vector<NpyFile> files_;  // keep the mappings alive
  std::span<const std::uint16_t> tokens_;
  std::span<const std::uint64_t> offsets_;
  std::span<const std::uint64_t> groups_;
};

}  // namespace bitmar
