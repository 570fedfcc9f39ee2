#include "model/tower_code_attention.h"

#include <cassert>
#include <cmath>

#include "kernels/ops.h"
#include "model/threaded_items.h"

namespace bitmar {

void TowerCodeAttention::run(MatrixView<const float> queries, MatrixView<const float> keys,
                             MatrixView<const float> values, MatrixView<float> out, ThreadPool* pool) {
  assert(queries.rows == tokens_ && queries.columns == heads_ * head_width_);
  const std::size_t threads = pool == nullptr ? 1 : pool->size();
  while (scratch_.size() < threads) scratch_.emplace_back(rows_.rows());
  quantize_heads(*kernels_, {queries.values, tokens_ * heads_, head_width_}, query_codes_);
  quantize_heads(*kernels_, {keys.values, tokens_ * heads_, head_width_}, key_codes_);
  quantize_heads(*kernels_, {values.values, tokens_ * heads_, head_width_}, value_codes_);
  for (std::size_t token = 0; token < tokens_; ++token) rows_.put(token, key_codes_, value_codes_, token);
  const float scale = 1.0f / std::sqrt(static_cast<float>(head_width_));
  // A head's queries follow each other, so that its keys and values stay in the first cache.
  for_each_item(heads_ * tokens_, threads, pool, [&](std::size_t item, std::size_t thread) {
    const std::size_t head = item / tokens_;
    const std::size_t token = item % tokens_;
    AttentionRange range = rows_.range(head, 0, tokens_);
    range.query = query_codes_.codes(token * heads_ + head).data();
    range.query_scale = query_codes_.inverse_scale(token * heads_ + head) * scale;
    attend(*kernels_, {&range, 1}, scratch_[thread].span(), out.row(token).subspan(head * head_width_, head_width_));
  });
}

}  // namespace bitmar
