// From an image's features to what fusion attends to: the compression 2x2 pooling -> BitLinear -> ReLU -> BitLinear ->
// norm, then fusion's keys and values of [null; V_img], once per image (docs/model.md).
//
//   FusionContext context(model, {});                        // text without an image: the null token alone
//   context = FusionContext(model, features, &pool);         // [N, F]
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "base/matrix_view.h"
#include "base/thread_pool.h"
#include "model/attention_rows.h"
#include "model/weights.h"

namespace bitmar {

class FusionContext {
 public:
  // features: [N, F], N = 0 for none; pooled where N is the square of an even number.
  FusionContext(const BitmarModel& model, MatrixView<const float> features, ThreadPool* pool);

  [[nodiscard]] std::size_t tokens() const { return tokens_; }  // 1 + N'
  // The image in the contrastive objective's space: the direction of the mean of V_img, a unit vector [d]; zeros
  // without an image.
  [[nodiscard]] std::span<const float> image_direction() const { return image_direction_; }
  // All tokens of one head, for a query to be set.
  [[nodiscard]] AttentionRange range(std::size_t head) const { return rows_.range(head, 0, tokens_); }

 private:
  FusionContext(const BitmarModel& model, const std::vector<float>& attended, ThreadPool* pool);

  std::size_t tokens_;
  AttentionRows rows_;
  std::vector<float> image_direction_;
};

// V_img [N', d] of features [N, F].
[[nodiscard]] std::vector<float> compress_vision(const BitmarModel& model, MatrixView<const float> features,
                                                 ThreadPool* pool);

}  // namespace bitmar
