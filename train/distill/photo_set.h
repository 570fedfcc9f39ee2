// Photos decoded once and kept in memory as bytes, ready to be rendered into batches: 150 kB a photo at side 224.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "distill/augmentation.h"
#include "model/schema/config.h"

namespace bitmar {

class PhotoSet {
 public:
  // Decodes `folder`/`name` for each name of `list` (a text file, a name a line), at most `limit` of them (0: all), on
  // `threads` threads, and brings each to the tower's square input as the runtime does. Errors name the photo.
  static Result<PhotoSet> load(const std::string& folder, const std::string& list, std::uint64_t limit,
                               const VisionTowerConfig& tower, std::uint32_t threads);
  // Of photos that are there already: pixels [count, side, side, 3], side = tower.image_size.
  static PhotoSet from_pixels(std::vector<std::uint8_t> pixels, const VisionTowerConfig& tower);

  [[nodiscard]] std::uint64_t size() const;
  [[nodiscard]] std::span<const std::uint8_t> photo(std::uint64_t index) const;  // [side, side, 3]

  // Photos [first, first + count) as they are: [count, 3, side, side], normalised.
  [[nodiscard]] torch::Tensor plain_batch(std::uint64_t first, std::uint64_t count) const;

  // Samples [first, first + count) of the endless stream that shows every photo once an epoch in an order drawn from
  // `seed` and the epoch, each in a random view of its own: [count, 3, side, side]. Depends on nothing but its
  // arguments, so the position in the stream is all that a checkpoint must hold.
  [[nodiscard]] torch::Tensor random_batch(std::uint64_t first, std::uint64_t count, std::uint64_t seed,
                                           const AugmentationSettings& augmentation) const;

 private:
  PhotoSet(std::vector<std::uint8_t> pixels, const VisionTowerConfig& tower)
      : pixels_(std::move(pixels)), tower_(tower) {}
  [[nodiscard]] std::vector<std::uint32_t> epoch_order(std::uint64_t epoch, std::uint64_t seed) const;

  std::vector<std::uint8_t> pixels_;  // [count, side, side, 3]
  VisionTowerConfig tower_;
};

}  // namespace bitmar
