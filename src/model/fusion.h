// From an image's features to what fusion attends to: the compression 2x2 pooling -> BitLinear -> ReLU -> BitLinear ->
// norm, then fusion's keys and values of [null; V_img], once per image (DESIGN section 2).
//
//   FusionContext context(model, {});                        // text without an image: the null token alone
//   context = FusionContext(model, features, &pool);         // [N, F]
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "base/matrix_view.h"
#include "base/thread_pool.h"
#include "model/weights.h"

namespace bitmar {

class FusionContext {
 public:
  // features: [N, F], N = 0 for none; pooled where N is the square of an even number.
  FusionContext(const BitmarModel& model, MatrixView<const float> features, ThreadPool* pool);

  [[nodiscard]] std::size_t tokens() const { return tokens_; }  // 1 + N'
  // [tokens, head_width] of one head.
  [[nodiscard]] std::span<const float> keys(std::size_t head) const { return head_rows(keys_, head); }
  [[nodiscard]] std::span<const float> values(std::size_t head) const { return head_rows(values_, head); }

 private:
  [[nodiscard]] std::span<const float> head_rows(const std::vector<float>& rows, std::size_t head) const {
    return std::span(rows).subspan(head * tokens_ * head_width_, tokens_ * head_width_);
  }

  std::size_t tokens_ = 0;
  std::size_t head_width_ = 0;
  std::vector<float> keys_;    // [heads, tokens, head_width]
  std::vector<float> values_;  // [heads, tokens, head_width]
};

// V_img [N', d] of features [N, F].
[[nodiscard]] std::vector<float> compress_vision(const BitmarModel& model, MatrixView<const float> features,
                                                 ThreadPool* pool);

}  // namespace bitmar
