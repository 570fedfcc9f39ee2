#include "objective/vocabulary_loss.h"

#include <algorithm>
#include <optional>

namespace bitmar {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::tensor_list;

// Both gradients are linear in the gradient of the (scalar) loss, so they are accumulated while the chunk's logits are
// at hand, and the backward pass only scales them.
struct VocabularyLoss : torch::autograd::Function<VocabularyLoss> {
  static torch::Tensor forward(AutogradContext* context, const torch::Tensor& hidden, const torch::Tensor& weight,
                               const torch::Tensor& targets, const std::optional<torch::Tensor>& token_weights,
                               const std::optional<torch::Tensor>& column_offsets, std::int64_t chunk_tokens,
                               bool with_gradient) {
    const std::int64_t tokens = hidden.size(0);
    const auto transposed = weight.t();
    auto logits_buffer = torch::empty({std::min(tokens, chunk_tokens), weight.size(0)}, weight.options());
    auto loss = torch::zeros({}, hidden.options().dtype(torch::kFloat64));
    torch::Tensor hidden_gradient;
    torch::Tensor weight_gradient;
    if (with_gradient) {
      hidden_gradient = torch::empty_like(hidden);
      weight_gradient = torch::zeros_like(weight);
    }
    for (std::int64_t first = 0; first < tokens; first += chunk_tokens) {
      const std::int64_t count = std::min(chunk_tokens, tokens - first);
      const auto x = hidden.narrow(0, first, count);
      const auto target = targets.narrow(0, first, count).unsqueeze(1);
      auto logits = logits_buffer.narrow(0, 0, count);
      torch::mm_out(logits, x, transposed);
      if (column_offsets) logits.add_(*column_offsets);
      const auto target_logit = logits.gather(1, target).squeeze(1);
      const auto maximum = logits.amax(1);
      at::_softmax_out(logits, logits, 1, false);
      // The largest probability is 1 / sum(exp(z - max)): from it the log of the partition, without another pass of
      // exp.
      const auto log_partition = maximum - logits.amax(1).log();
      auto losses = log_partition - target_logit;
      if (token_weights) losses.mul_(token_weights->narrow(0, first, count));
      loss += losses.sum(torch::kFloat64);
      if (!with_gradient) continue;
      logits.scatter_add_(1, target, torch::full_like(target_logit, -1.0).unsqueeze(1));
      if (token_weights) logits.mul_(token_weights->narrow(0, first, count).unsqueeze(1));
      auto x_gradient = hidden_gradient.narrow(0, first, count);
      torch::mm_out(x_gradient, logits, weight);
      weight_gradient.addmm_(logits.t(), x);
    }
    if (with_gradient) {
      const double share = 1.0 / static_cast<double>(tokens);
      context->saved_data["hidden"] = hidden_gradient.mul_(share);
      context->saved_data["weight"] = weight_gradient.mul_(share);
    }
    return (loss / static_cast<double>(tokens)).to(torch::kFloat32);
  }

  static tensor_list backward(AutogradContext* context, tensor_list gradients) {
    return {context->saved_data["hidden"].toTensor() * gradients[0],
            context->saved_data["weight"].toTensor() * gradients[0],
            torch::Tensor(),
            torch::Tensor(),
            torch::Tensor(),
            torch::Tensor(),
            torch::Tensor()};
  }
};

}  // namespace

torch::Tensor vocabulary_loss(const torch::Tensor& hidden, const torch::Tensor& weight, const torch::Tensor& targets,
                              const VocabularyLossOptions& options) {
  TORCH_CHECK(hidden.size(0) > 0, "vocabulary_loss: no tokens");
  const bool with_gradient = torch::GradMode::is_enabled() && (hidden.requires_grad() || weight.requires_grad());
  const auto given = [](const torch::Tensor& tensor) {
    return tensor.defined() ? std::optional(tensor) : std::nullopt;
  };
  return VocabularyLoss::apply(hidden.to(torch::kFloat32).contiguous(), weight.to(torch::kFloat32).contiguous(),
                               targets, given(options.token_weights), given(options.column_offsets),
                               options.chunk_tokens, with_gradient);
}

}  // namespace bitmar
