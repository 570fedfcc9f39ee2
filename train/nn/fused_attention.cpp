#include "nn/fused_attention.h"

#include <algorithm>
#include <cstddef>
#include <optional>

#include "nn/attention_kernels.h"
#include "nn/tensor_spans.h"

namespace bitmar {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::tensor_list;

// Heads with their values side by side, however far apart the rows are.
torch::Tensor with_whole_rows(const torch::Tensor& heads) {
  return heads.stride(3) == 1 ? heads : heads.contiguous();
}

// [sequences, heads, T, width] that lies in memory as [sequences, T, heads, width].
torch::Tensor empty_heads(const torch::Tensor& like) {
  return torch::empty({like.size(0), like.size(2), like.size(1), like.size(3)}, like.options()).transpose(1, 2);
}

HeadRows rows_of(const torch::Tensor& heads, std::int64_t sequence, std::int64_t head) {
  return {heads.const_data_ptr<float>() + sequence * heads.stride(0) + head * heads.stride(1),
          static_cast<std::size_t>(heads.stride(2))};
}

MutableHeadRows mutable_rows_of(const torch::Tensor& heads, std::int64_t sequence, std::int64_t head) {
  return {heads.mutable_data_ptr<float>() + sequence * heads.stride(0) + head * heads.stride(1),
          static_cast<std::size_t>(heads.stride(2))};
}

// work(sequence, head, scratch) for every head of every sequence, shared out between threads.
template <typename Work>
void for_heads(const torch::Tensor& query, const Work& work) {
  const std::int64_t heads = query.size(1);
  at::parallel_for(0, query.size(0) * heads, 1, [&](std::int64_t begin, std::int64_t end) {
    AttentionScratch scratch;
    for (std::int64_t i = begin; i < end; ++i) work(i / heads, i % heads, scratch);
  });
}

AttentionShape shape_of(const torch::Tensor& query, const torch::Tensor& key, bool causal) {
  return {.queries = static_cast<std::size_t>(query.size(2)),
          .keys = static_cast<std::size_t>(key.size(2)),
          .width = static_cast<std::size_t>(query.size(3)),
          .causal = causal};
}

struct FusedAttention : torch::autograd::Function<FusedAttention> {
  static torch::Tensor forward(AutogradContext* context, const torch::Tensor& given_query,
                               const torch::Tensor& given_key, const torch::Tensor& given_value, bool causal) {
    const torch::Tensor query = with_whole_rows(given_query), key = with_whole_rows(given_key);
    const torch::Tensor value = with_whole_rows(given_value);
    const torch::Tensor out = empty_heads(query);
    const torch::Tensor log_sums = torch::empty({query.size(0), query.size(1), query.size(2)}, query.options());
    const AttentionShape shape = shape_of(query, key, causal);
    const auto sums = mutable_values<float>(log_sums);
    for_heads(query, [&](std::int64_t sequence, std::int64_t head, AttentionScratch& scratch) {
      const auto first = static_cast<std::size_t>(sequence * query.size(1) + head) * shape.queries;
      attention_forward(shape, rows_of(query, sequence, head), rows_of(key, sequence, head),
                        rows_of(value, sequence, head), mutable_rows_of(out, sequence, head),
                        sums.subspan(first, shape.queries), scratch);
    });
    context->save_for_backward({query, key, value, out, log_sums});
    context->saved_data["causal"] = causal;
    return out.transpose(1, 2).reshape({query.size(0), query.size(2), query.size(1) * query.size(3)});
  }

  static tensor_list backward(AutogradContext* context, tensor_list gradients) {
    const auto saved = context->get_saved_variables();
    const torch::Tensor &query = saved[0], &key = saved[1], &value = saved[2], &out = saved[3];
    const AttentionShape shape = shape_of(query, key, context->saved_data["causal"].toBool());
    const torch::Tensor d_out =
        gradients[0].contiguous().view({query.size(0), query.size(2), query.size(1), query.size(3)}).transpose(1, 2);
    const torch::Tensor d_query = empty_heads(query), d_key = empty_heads(key), d_value = empty_heads(value);
    const auto sums = values<float>(saved[4]);
    for_heads(query, [&](std::int64_t sequence, std::int64_t head, AttentionScratch& scratch) {
      const auto first = static_cast<std::size_t>(sequence * query.size(1) + head) * shape.queries;
      attention_backward(shape, rows_of(query, sequence, head), rows_of(key, sequence, head),
                         rows_of(value, sequence, head), rows_of(out, sequence, head),
                         sums.subspan(first, shape.queries), rows_of(d_out, sequence, head),
                         {.query = mutable_rows_of(d_query, sequence, head),
                          .key = mutable_rows_of(d_key, sequence, head),
                          .value = mutable_rows_of(d_value, sequence, head)},
                         scratch);
    });
    return {d_query, d_key, d_value, torch::Tensor()};
  }
};

bool has_kernel(const torch::Tensor& heads) {
  return heads.is_cpu() && heads.scalar_type() == torch::kFloat && heads.numel() > 0 &&
         std::ranges::count(kAttentionWidths, static_cast<std::size_t>(heads.size(3))) == 1;
}

}  // namespace

torch::Tensor fused_attention(const torch::Tensor& query, const torch::Tensor& key, const torch::Tensor& value,
                              const torch::Tensor& mask, bool causal) {
  TORCH_CHECK(!causal || query.size(2) == key.size(2), "fused_attention: ", query.size(2), " queries and ", key.size(2),
              " keys; expected as many where attention is causal");
  if (!mask.defined() && has_kernel(query) && has_kernel(key) && has_kernel(value)) {
    return FusedAttention::apply(query, key, value, causal);
  }
  std::optional<torch::Tensor> added;
  if (mask.defined()) added = mask.to(query.scalar_type());
  const auto heads = at::scaled_dot_product_attention(query, key, value, added, 0.0, causal);
  return heads.transpose(1, 2).reshape({query.size(0), query.size(2), query.size(1) * query.size(3)});
}

}  // namespace bitmar
