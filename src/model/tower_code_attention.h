// The ternary tower's attention: TowerAttention on 8-bit codes with a scale a head, as in the text layers, whose kernel it
// uses. Holds the working memory, so that a second photo allocates nothing.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "base/matrix_view.h"
#include "base/thread_pool.h"
#include "kernels/aligned_buffer.h"
#include "kernels/linear.h"
#include "model/attention_rows.h"

namespace bitmar {

class TowerCodeAttention {
 public:
  TowerCodeAttention(std::size_t tokens, std::size_t heads, std::size_t head_width)
      : tokens_(tokens), heads_(heads), head_width_(head_width) {}

  // As TowerAttention::run, of the quantized heads of queries, keys and values. Always with the same kernels.
  void run(const Kernels& kernels, MatrixView<const float> queries, MatrixView<const float> keys,
           MatrixView<const float> values, MatrixView<float> out, ThreadPool* pool);

 private:
  std::size_t tokens_;
  std::size_t heads_;
  std::size_t head_width_;
  std::optional<AttentionRows> rows_;  // once the kernels are known
  QuantizedActivations query_codes_;
  QuantizedActivations key_codes_;
  QuantizedActivations value_codes_;
  std::vector<AlignedBuffer<float>> scratch_;  // one a thread
};

}  // namespace bitmar
