// The largest logit of each of many small blocks, found in one pass at the speed of memory: most questions about the
// large logits of a row then need to look at few of its blocks.
//
//   BlockMaxima blocks(vocabulary);                       // takes its memory
//   blocks.set(kernels, logits);
//   for (block : 0..blocks.maxima().size()) if (blocks.maxima()[block] >= floor) ... blocks.element(block, i) ...
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "kernels/ops.h"

namespace bitmar {

class BlockMaxima {
 public:
  static constexpr std::size_t kLanes = kMaximaColumns;
  static constexpr std::size_t kRows = 32;  // elements of a block
  // A chunk is kRows rows of kLanes consecutive values; its blocks are its columns, so that a maximum of vectors is one
  // of all their blocks.
  static constexpr std::size_t kChunk = kLanes * kRows;

  explicit BlockMaxima(std::size_t count) : maxima_((count + kChunk - 1) / kChunk * kLanes) {}

  // values: as many as the constructor was told, at least one.
  void set(const Kernels& kernels, std::span<const float> values);

  [[nodiscard]] float largest() const { return largest_; }
  // One a block, chunk after chunk; -infinity for a block without elements.
  [[nodiscard]] std::span<const float> maxima() const { return maxima_; }
  // The index of element `row` of a block; at or beyond the count where the block has fewer.
  [[nodiscard]] static std::size_t element(std::size_t block, std::size_t row) {
    return block / kLanes * kChunk + row * kLanes + block % kLanes;
  }

 private:
  std::vector<float> maxima_;
  float largest_ = 0.0f;
};

}  // namespace bitmar
