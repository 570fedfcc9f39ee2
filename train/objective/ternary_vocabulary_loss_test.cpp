#include "objective/ternary_vocabulary_loss.h"

#include <gmock/gmock.h>

#include <vector>

#include "nn/fused_ops.h"

namespace bitmar {
namespace {

struct Outcome {
  double loss = 0;
  std::vector<torch::Tensor> gradients;  // hidden, weight, scale
};

struct TernaryLossCase {
  std::int64_t tokens;
  std::int64_t columns;
  std::int64_t chunk;
  bool offsets;
  bool weights;
  std::int64_t width = 64;  // 66: no packed products, whatever the processor
};

Outcome run(const TernaryLossCase& the_case, bool plain) {
  torch::manual_seed(4);
  const std::int64_t width = the_case.width;
  const auto hidden = torch::randn({the_case.tokens, width}).requires_grad_();
  const auto weight = (torch::randn({the_case.columns, width}) * 0.1).requires_grad_();
  const auto scale = torch::full({1}, 0.07).requires_grad_();
  const auto targets = torch::randint(0, the_case.columns, {the_case.tokens}, torch::kLong);
  const auto offsets = the_case.offsets ? torch::randn({the_case.columns}) : torch::Tensor();
  const auto weights = the_case.weights ? torch::randn({the_case.tokens}) : torch::Tensor();
  torch::Tensor loss;
  if (plain) {
    auto logits = torch::matmul(fake_quantize_activations(hidden).to(torch::kDouble),
                                fake_quantize_ternary(weight, scale).to(torch::kDouble).t());
    if (offsets.defined()) logits = logits + offsets;
    loss = torch::cross_entropy_loss(logits, targets, {}, at::Reduction::None);
    loss = (weights.defined() ? weights * loss : loss).mean();
  } else {
    loss =
        ternary_vocabulary_loss(hidden, weight, scale, targets,
                                {.token_weights = weights, .column_offsets = offsets, .chunk_tokens = the_case.chunk},
                                GradientProducts::kBFloat16);
  }
  (3.0 * loss).backward();  // the gradient that arrives from above is not 1
  return {loss.item<double>(), {hidden.grad(), weight.grad(), scale.grad()}};
}

class TernaryVocabularyLossTest : public ::testing::TestWithParam<TernaryLossCase> {};

// Loss and gradients equal torch's cross-entropy on all logits at once, in FP64.
TEST_P(TernaryVocabularyLossTest, EqualsThePlainComputation) {
  const Outcome ours = run(GetParam(), false);
  const Outcome plain = run(GetParam(), true);
  // Logits are exact up to FP32's rounding of values below 10; the sum of exponentials has 16 FP32 lanes.
  EXPECT_NEAR(ours.loss, plain.loss, 20 * 0x1p-24 * 10);
  for (std::size_t i = 0; i < 2; ++i) {
    const auto error = (ours.gradients[i].to(torch::kDouble) - plain.gradients[i]).norm() / plain.gradients[i].norm();
    EXPECT_LT(error.item<double>(), 4 * 0x1p-9) << i;  // operands and result in BF16
  }
  // LSQ's sum over the weight gradient: bounded by its error in norm, as sqrt(elements) divides it.
  EXPECT_NEAR(ours.gradients[2].item<double>(), plain.gradients[2].item<double>(),
              4 * 0x1p-9 * plain.gradients[1].norm().item<double>());
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, TernaryVocabularyLossTest,
    ::testing::Values(TernaryLossCase{1, 503, 256, false, false}, TernaryLossCase{7, 503, 1, true, true},
                      TernaryLossCase{65, 130, 64, false, true}, TernaryLossCase{700, 997, 33, true, false},
                      TernaryLossCase{700, 997, 33, true, true, 66}, TernaryLossCase{40, 50257, 16, false, true},
                      // More weights than are held at once: three groups of tokens.
                      TernaryLossCase{40, 600000, 16, false, true}));

TEST(TernaryVocabularyLoss, ComputesNoGradientsWhereNoneAreWanted) {
  const torch::NoGradGuard no_grad;
  const auto loss =
      ternary_vocabulary_loss(torch::randn({5, 8}), torch::randn({11, 8}).requires_grad_(), torch::ones({1}),
                              torch::randint(0, 11, {5}, torch::kLong), {}, GradientProducts::kBFloat16);
  EXPECT_FALSE(loss.requires_grad());
  EXPECT_GT(loss.item<double>(), 0.0);
}

// Where one logit towers above all others the loss must not become infinite.
TEST(TernaryVocabularyLoss, SurvivesExtremeLogits) {
  const auto hidden = torch::tensor({{200.0f, 0.0f}, {-200.0f, 0.0f}}).requires_grad_();
  const auto weight = torch::tensor({{1.0f, 0.0f}, {-1.0f, 0.0f}, {0.0f, 0.0f}});
  const auto loss =
      ternary_vocabulary_loss(hidden, weight, torch::ones({1}), torch::tensor({std::int64_t{1}, std::int64_t{1}}), {},
                              GradientProducts::kBFloat16);
  EXPECT_FLOAT_EQ(loss.item<float>(), 200.0f);  // (400 + 0) / 2
  loss.backward();
  EXPECT_TRUE(hidden.grad().isfinite().all().item<bool>());
}

}  // namespace
}  // namespace bitmar
