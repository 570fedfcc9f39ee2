#include "objective/ternary_vocabulary_loss.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <optional>
#include <vector>

#include "nn/fused_ops.h"
#include "nn/matrix_products.h"
#include "nn/packed_products.h"
#include "nn/tensor_spans.h"

namespace bitmar {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::tensor_list;

constexpr std::int64_t kCachedLogits = std::int64_t{1} << 22;  // integer logits between product and softmax: 16 MB
constexpr std::int64_t kHeldWeights = std::int64_t{1} << 26;   // BF16 softmax weights between softmax and products
constexpr std::int64_t kHeldWidened = std::int64_t{1} << 24;   // where FP32 copies of them are made: 64 MB
constexpr std::int64_t kFewestTokens = 32;                     // of one product, however many columns
constexpr std::size_t kPackedTokens = 24;                      // of one packed product

// The parts of one backward pass, accumulated group of tokens by group of tokens.
struct Gradients {
  torch::Tensor hidden;  // [n, d]
  torch::Tensor weight;  // [d, C], of the quantized weight: so its products are a fifth faster than as [C, d]
};

class Pass {
 public:
  Pass(const torch::Tensor& hidden, const torch::Tensor& weight, const torch::Tensor& scale,
       const torch::Tensor& targets, const std::optional<torch::Tensor>& token_weights,
       const std::optional<torch::Tensor>& offsets)
      : tokens_(quantize_tokens(hidden)),
        matrix_(quantize_matrix(weight, scale)),
        wide_matrix_(bfloat16_operand(matrix_)),
        scale_(std::max(scale.item<float>(), kMinimumTernaryScale)),
        targets_(values<std::int64_t>(targets)),
        token_weights_(token_weights ? values<float>(*token_weights) : std::span<const float>{}),
        offsets_(offsets ? values<float>(*offsets) : std::span<const float>{}) {
    const auto depth = static_cast<std::size_t>(matrix_.size(1));
    if (!has_packed_products(depth)) {
      codes_ = integer_operand(tokens_.codes);
      matrix_ = integer_operand(matrix_);
      return;
    }
    const auto size = static_cast<std::int64_t>(packed_size(static_cast<std::size_t>(columns()), depth));
    packed_ = torch::empty({size}, torch::kByte);
    pack_ternary(values<std::int8_t>(matrix_), depth, mutable_values<std::uint8_t>(packed_));
  }

  [[nodiscard]] std::int64_t columns() const { return matrix_.size(0); }

  // Softmax weights [count, C] of the tokens from `first` on, and their sums; adds up the losses, -log p(target) each.
  double softmax(std::int64_t first, std::int64_t count, const torch::Tensor& weights, std::vector<float>& sums,
                 std::int64_t chunk) const {
    std::vector<double> losses(static_cast<std::size_t>(count));
    if (packed_.defined()) {
      packed_softmax(first, weights.narrow(0, 0, count), sums, losses);
    } else {
      chunked_softmax(first, weights.narrow(0, 0, count), sums, losses, chunk);
    }
    double loss = 0;
    for (std::size_t i = 0; i < losses.size(); ++i) loss += losses[i] * weight_of(static_cast<std::size_t>(first) + i);
    return loss;
  }

  // The gradients of the summed loss for these tokens, from their softmax weights [padded_rows(count), C], which it
  // changes.
  void backward(std::int64_t first, std::int64_t count, const torch::Tensor& weights, const std::vector<float>& sums,
                Gradients& gradients) const {
    // weights / sum are the probabilities; p - 1 stands at the target. The division moves into the other factors.
    const auto flat = weights.mutable_data_ptr<at::BFloat16>();
    std::vector<float> factors(sums.size());
    for (std::size_t i = 0; i < sums.size(); ++i) {
      const std::size_t token = static_cast<std::size_t>(first) + i;
      auto& place = flat[i * static_cast<std::size_t>(columns()) + static_cast<std::size_t>(targets_[token])];
      place = static_cast<float>(place) - sums[i];
      factors[i] = weight_of(token) / sums[i];
    }
    weights.narrow(0, count, weights.size(0) - count).zero_();
    const torch::Tensor share = torch::tensor(factors);  // [count]
    const torch::Tensor operand = bfloat16_operand(weights);
    const torch::Tensor towards = bfloat16_product(operand, wide_matrix_).narrow(0, 0, count);
    const torch::Tensor hidden = gradients.hidden.narrow(0, first, count);
    const torch::Tensor shares = share * scale_;
    for_rows(hidden, [&](std::size_t row, std::size_t rows, std::size_t columns) {
      widen_rows(bits(towards).subspan(row * columns, rows * columns), values<float>(shares).subspan(row, rows),
                 mutable_values<float>(hidden).subspan(row * columns, rows * columns));
    });
    const torch::Tensor inputs = tokens_.codes.narrow(0, first, count).to(torch::kFloat) *
                                 (share * tokens_.inverse.narrow(0, first, count)).unsqueeze(1);
    add_bfloat16_product(bfloat16_operand(padded_bfloat16(inputs)).t(), operand, gradients.weight);
  }

 private:
  // Each thread's own groups of tokens: their products, in the place of their weights, then those.
  void packed_softmax(std::int64_t first, const torch::Tensor& weights, std::vector<float>& sums,
                      std::vector<double>& losses) const {
    const auto out = mutable_bits(weights);
    for_rows(weights, [&](std::size_t begin, std::size_t size, std::size_t width) {
      for (std::size_t group = begin; group < begin + size; group += kPackedTokens) {
        const std::size_t rows = std::min(kPackedTokens, begin + size - group);
        const std::size_t depth = static_cast<std::size_t>(matrix_.size(1));
        const auto codes =
            values<std::int8_t>(tokens_.codes).subspan((static_cast<std::size_t>(first) + group) * depth, rows * depth);
        packed_products(values<std::uint8_t>(packed_), depth, codes, width, out.subspan(group * width, rows * width));
        for (std::size_t i = group; i < group + rows; ++i) {
          const auto row = out.subspan(i * width, width);
          const std::size_t token = static_cast<std::size_t>(first) + i;
          const auto product = static_cast<std::int16_t>(row[static_cast<std::size_t>(targets_[token])]);
          const SoftmaxRow result = softmax_row_in_place(row, factor_of(token), offsets_);
          sums[i] = result.sum;
          losses[i] = loss_of(token, product, result);
        }
      }
    });
  }

  void chunked_softmax(std::int64_t first, const torch::Tensor& weights, std::vector<float>& sums,
                       std::vector<double>& losses, std::int64_t chunk) const {
    for (std::int64_t begin = 0; begin < weights.size(0); begin += chunk) {
      const std::int64_t rows = std::min(chunk, weights.size(0) - begin);
      const torch::Tensor products = integer_product(codes_.narrow(0, first + begin, rows), matrix_.t());
      const auto out = mutable_bits(weights.narrow(0, begin, rows));
      for_rows(products, [&](std::size_t row, std::size_t size, std::size_t width) {
        for (std::size_t i = row; i < row + size; ++i) {
          const std::size_t place = static_cast<std::size_t>(begin) + i;
          const std::size_t token = static_cast<std::size_t>(first) + place;
          const auto logits = values<std::int32_t>(products).subspan(i * width, width);
          const SoftmaxRow result = softmax_row(logits, factor_of(token), offsets_, out.subspan(i * width, width));
          sums[place] = result.sum;
          losses[place] = loss_of(token, logits[static_cast<std::size_t>(targets_[token])], result);
        }
      });
    }
  }

  // Of a token's products, to its logits.
  [[nodiscard]] float factor_of(std::size_t token) const { return values<float>(tokens_.inverse)[token] * scale_; }

  [[nodiscard]] double loss_of(std::size_t token, std::int32_t product, const SoftmaxRow& row) const {
    const float offset = offsets_.empty() ? 0.0f : offsets_[static_cast<std::size_t>(targets_[token])];
    return static_cast<double>(row.log_partition - (static_cast<float>(product) * factor_of(token) + offset));
  }

  [[nodiscard]] float weight_of(std::size_t token) const {
    return token_weights_.empty() ? 1.0f : token_weights_[token];
  }

  QuantizedTokens tokens_;
  torch::Tensor matrix_;       // [C, d], codes; without packed_ an operand of integer products
  torch::Tensor codes_;        // [n, d], the same, without packed_
  torch::Tensor packed_;       // matrix_ for packed_products, where the processor has them
  torch::Tensor wide_matrix_;  // as an operand of BF16 products: where both are FP32, one tensor
  float scale_;
  std::span<const std::int64_t> targets_;
  std::span<const float> token_weights_;
  std::span<const float> offsets_;
};

struct TernaryVocabularyLoss : torch::autograd::Function<TernaryVocabularyLoss> {
  static torch::Tensor forward(AutogradContext* context, const torch::Tensor& hidden, const torch::Tensor& weight,
                               const torch::Tensor& scale, const torch::Tensor& targets,
                               const std::optional<torch::Tensor>& token_weights,
                               const std::optional<torch::Tensor>& offsets, std::int64_t chunk_tokens,
                               bool with_gradient) {
    const std::int64_t tokens = hidden.size(0);
    const Pass pass(hidden, weight, scale, targets, token_weights, offsets);
    const std::int64_t columns = std::max<std::int64_t>(1, pass.columns());
    const auto cached = static_cast<std::int64_t>(std::bit_floor(static_cast<std::uint64_t>(kCachedLogits / columns)));
    const std::int64_t chunk = std::min(chunk_tokens, std::max(kFewestTokens, cached));
    // Whole groups of padded rows, lest zeros be multiplied.
    const std::int64_t most = fast_products().bfloat16 ? kHeldWeights : kHeldWidened;
    const std::int64_t held = std::max(chunk, most / columns / kProductRows * kProductRows);
    Gradients gradients;
    if (with_gradient) {
      gradients = {torch::empty_like(hidden), sums_of_products(weight.size(1), weight.size(0))};
    }
    const torch::Tensor buffer =
        torch::empty({padded_rows(std::min(tokens, held)), pass.columns()}, hidden.options().dtype(torch::kBFloat16));
    double loss = 0;
    for (std::int64_t first = 0; first < tokens; first += held) {
      const std::int64_t count = std::min(held, tokens - first);
      const torch::Tensor weights = buffer.narrow(0, 0, padded_rows(count));
      std::vector<float> sums(static_cast<std::size_t>(count));
      loss += pass.softmax(first, count, weights, sums, chunk);
      if (with_gradient) pass.backward(first, count, weights, sums, gradients);
    }
    if (with_gradient) {
      const double share = 1.0 / static_cast<double>(tokens);
      const torch::Tensor weight_gradient = gradients.weight.mul_(share).t().contiguous();
      context->saved_data["hidden"] = gradients.hidden.mul_(share);
      context->saved_data["scale"] = scale_gradients(weight_gradient, weight, scale);
      context->saved_data["weight"] = weight_gradient;
    }
    return torch::full({}, loss / static_cast<double>(tokens), hidden.options());
  }

  static tensor_list backward(AutogradContext* context, tensor_list gradients) {
    const auto scaled = [&](const char* name) { return context->saved_data[name].toTensor() * gradients[0]; };
    return {scaled("hidden"), scaled("weight"), scaled("scale"), torch::Tensor(),
            torch::Tensor(),  torch::Tensor(),  torch::Tensor(), torch::Tensor()};
  }
};

}  // namespace

torch::Tensor ternary_vocabulary_loss(const torch::Tensor& hidden, const torch::Tensor& weight,
                                      const torch::Tensor& scale, const torch::Tensor& targets,
                                      const VocabularyLossOptions& options, GradientProducts products) {
  if (!hidden.is_cpu() || products == GradientProducts::kFloat32) {
    return vocabulary_loss(fake_quantize_activations(hidden), fake_quantize_ternary(weight, scale), targets, options);
  }
  TORCH_CHECK(hidden.size(0) > 0, "ternary_vocabulary_loss: no tokens");
  const bool with_gradient = torch::GradMode::is_enabled() && (hidden.requires_grad() || weight.requires_grad());
  const auto given = [](const torch::Tensor& tensor) {
    return tensor.defined() ? std::optional(tensor.contiguous()) : std::nullopt;
  };
  return TernaryVocabularyLoss::apply(hidden.contiguous(), weight.contiguous(), scale, targets.contiguous(),
                                      given(options.token_weights), given(options.column_offsets), options.chunk_tokens,
                                      with_gradient);
}

}  // namespace bitmar
