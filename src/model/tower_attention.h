// Full (unmasked) multi-head attention of the vision tower as matrix products: per head the keys and the transposed
// values are packed like weights, then blocks of queries pass through them. Holds the working memory, so that a second
// photo allocates nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/matrix_view.h"
#include "base/thread_pool.h"
#include "kernels/aligned_buffer.h"
#include "kernels/kernels.h"

namespace bitmar {

class TowerAttention {
 public:
  TowerAttention(const Kernels& kernels, std::size_t tokens, std::size_t heads, std::size_t head_width);

  // out = softmax(q k^T / sqrt(head_width)) v, head by head. All [tokens, heads * head_width], heads side by side;
  // `out` may be none of the others. The result has the same bits for any number of threads.
  void run(MatrixView<const float> queries, MatrixView<const float> keys, MatrixView<const float> values,
           MatrixView<float> out, ThreadPool* pool);

 private:
  // One thread's.
  struct Scratch {
    AlignedBuffer<float> head;    // one head's keys [tokens, head_width] or values [head_width, tokens]
    AlignedBuffer<float> block;   // queries, then outputs [kQueryBlock, head_width]
    AlignedBuffer<float> scores;  // [kQueryBlock, tokens]
  };
  void pack_head(std::size_t head, MatrixView<const float> keys, MatrixView<const float> values, Scratch& scratch);
  void attend(std::size_t head, std::size_t first, MatrixView<const float> queries, MatrixView<float> out,
              Scratch& scratch) const;

  const Kernels* kernels_;
  std::size_t tokens_;
  std::size_t heads_;
  std::size_t head_width_;
  std::size_t key_stride_;  // packed bytes a head, multiple of the alignment
  std::size_t value_stride_;
  AlignedBuffer<std::uint8_t> packed_keys_;    // [heads, key_stride]
  AlignedBuffer<std::uint8_t> packed_values_;  // [heads, value_stride]
  std::vector<Scratch> scratch_;
};

}  // namespace bitmar
