// The ternary tower's attention: TowerAttention on 8-bit codes with a scale a head, as in the text layers, whose kernel
// it uses. Holds the working memory, so that a second photo allocates nothing.
#pragma once

#include <cstddef>
#include <vector>

#include "base/matrix_view.h"
#include "base/thread_pool.h"
#include "kernels/aligned_buffer.h"
#include "kernels/linear.h"
#include "model/attention_rows.h"

namespace bitmar {

class TowerCodeAttention {
 public:
  TowerCodeAttention(const Kernels& kernels, std::size_t tokens, std::size_t heads, std::size_t head_width)
      : kernels_(&kernels),
        tokens_(tokens),
        heads_(heads),
        head_width_(head_width),
        rows_(kernels, heads, head_width, tokens) {}

  // As TowerAttention::run, of the quantized heads of queries, keys and values.
  void run(MatrixView<const float> queries, MatrixView<const float> keys, MatrixView<const float> values,
           MatrixView<float> out, ThreadPool* pool);

 private:
  const Kernels* kernels_;
  std::size_t tokens_;
  std::size_t heads_;
  std::size_t head_width_;
  AttentionRows rows_;
  QuantizedActivations query_codes_;
  QuantizedActivations key_codes_;
  QuantizedActivations value_codes_;
  std::vector<AlignedBuffer<float>> scratch_;  // one a thread
};

}  // namespace bitmar
