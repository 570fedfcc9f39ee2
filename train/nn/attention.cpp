#include "nn/attention.h"

#include <cmath>
#include <limits>

#include "nn/fused_attention.h"
#include "nn/fused_ops.h"

namespace bitmar {
namespace {

// Softmax weights that the fused kernel does not return; only for diagnostics.
torch::Tensor attention_probabilities(const torch::Tensor& query, const torch::Tensor& key,
                                      const AttentionOptions& options) {
  const torch::NoGradGuard no_grad;
  auto scores = torch::matmul(query, key.transpose(-2, -1)) / std::sqrt(static_cast<double>(query.size(-1)));
  if (options.mask.defined()) scores = scores + options.mask;
  if (options.causal) {
    const auto future = torch::ones({query.size(-2), key.size(-2)}, scores.options().dtype(torch::kBool)).triu(1);
    scores = scores.masked_fill(future, -std::numeric_limits<float>::infinity());
  }
  return torch::softmax(scores, -1);
}

}  // namespace

torch::nn::LayerNorm make_norm(std::int64_t width, double epsilon) {
  return torch::nn::LayerNorm(torch::nn::LayerNormOptions({width}).eps(epsilon));
}

RotaryTable RotaryTable::make(std::int64_t positions, std::int64_t head_width, double base, torch::Device device) {
  const auto doubles = torch::TensorOptions().dtype(torch::kFloat64);
  const auto exponent = torch::arange(0, head_width, 2, doubles) / static_cast<double>(head_width);
  const auto frequency = torch::pow(base, -exponent);
  const auto angle = torch::outer(torch::arange(positions, doubles), frequency);  // [T, head_width / 2]
  return {angle.cos().to(torch::kFloat32).to(device), angle.sin().to(torch::kFloat32).to(device)};
}

AttentionImpl::AttentionImpl(std::int64_t width, std::int64_t heads, double norm_epsilon)
    : heads_(heads),
      query_(register_module("query", BitLinear(width, width))),
      key_(register_module("key", BitLinear(width, width))),
      value_(register_module("value", BitLinear(width, width))),
      output_(register_module("output", BitLinear(width, width))),
      output_norm_(register_module("output_norm", make_norm(width, norm_epsilon))) {}

torch::Tensor AttentionImpl::forward(const torch::Tensor& queries, const torch::Tensor& keys_values,
                                     const AttentionOptions& options) {
  const bool shared = keys_values.is_same(queries);
  const auto parts =
      shared ? project_together(queries, {query_, key_, value_}) : project_together(keys_values, {key_, value_});
  // As in the runtime's caches: 8-bit codes with a scale a head.
  const RotaryTable rotary = options.rotary != nullptr ? *options.rotary : RotaryTable();
  const auto query =
      quantized_heads(shared ? parts.front() : query_->forward(queries), heads_, rotary.cosine, rotary.sine);
  const auto key = quantized_heads(parts[parts.size() - 2], heads_, rotary.cosine, rotary.sine);
  const auto value = quantized_heads(parts.back(), heads_);
  if (options.probabilities != nullptr) *options.probabilities = attention_probabilities(query, key, options);
  const auto joined = fused_attention(query, key, value, options.mask, options.causal);
  return output_->forward(output_norm_->forward(joined));
}

}  // namespace bitmar
