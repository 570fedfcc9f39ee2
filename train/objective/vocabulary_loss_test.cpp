#include "objective/vocabulary_loss.h"

#include <gmock/gmock.h>

#include <cmath>

#include "nn/testing.h"

namespace bitmar {
namespace {

using testing_nn::relative_error;

struct LossCase {
  std::int64_t tokens;
  std::int64_t chunk;
  bool offsets;
  bool weights;
};

class VocabularyLossTest : public ::testing::TestWithParam<LossCase> {};

// Loss and gradients equal torch's cross-entropy on all logits at once.
TEST_P(VocabularyLossTest, EqualsThePlainComputation) {
  torch::manual_seed(1);
  const auto [tokens, chunk, with_offsets, with_weights] = GetParam();
  const std::int64_t vocabulary = 503;
  const std::int64_t width = 24;
  const auto hidden = torch::randn({tokens, width}).requires_grad_();
  const auto weight = (torch::randn({vocabulary, width}) * 0.5).requires_grad_();
  const auto targets = torch::randint(0, vocabulary, {tokens}, torch::kLong);
  const auto offsets = with_offsets ? torch::randn({vocabulary}) : torch::Tensor();
  const auto weights = with_weights ? torch::randn({tokens}) : torch::Tensor();

  const auto loss = vocabulary_loss(hidden, weight, targets,
                                    {.token_weights = weights, .column_offsets = offsets, .chunk_tokens = chunk});
  (3.0 * loss).backward();  // the gradient that arrives from above is not 1

  const auto plain_hidden = hidden.detach().to(torch::kFloat64).requires_grad_();
  const auto plain_weight = weight.detach().to(torch::kFloat64).requires_grad_();
  auto logits = torch::matmul(plain_hidden, plain_weight.t());
  if (with_offsets) logits = logits + offsets;
  const auto losses = torch::cross_entropy_loss(logits, targets, {}, at::Reduction::None);
  const auto plain = (with_weights ? weights * losses : losses).mean();
  (3.0 * plain).backward();

  const double unit = 0x1p-23;
  // A logit is a sum of `width` products of about 0.5 each: its error is below width * unit * its magnitude sum; the
  // softmax passes it on to the loss and, relatively, to the probabilities that the gradients are sums of.
  const double logit_error = unit * static_cast<double>(width) * 12.0;
  EXPECT_NEAR(loss.item<double>(), plain.item<double>(), 2.0 * logit_error);
  EXPECT_LT(relative_error(hidden.grad(), plain_hidden.grad()), 4.0 * logit_error);
  EXPECT_LT(relative_error(weight.grad(), plain_weight.grad()), 4.0 * logit_error);
}

INSTANTIATE_TEST_SUITE_P(Chunks, VocabularyLossTest,
                         ::testing::Values(LossCase{1, 256, false, false}, LossCase{7, 1, false, true},
                                           LossCase{64, 64, true, false}, LossCase{65, 64, false, true},
                                           LossCase{200, 33, true, true}));

TEST(VocabularyLoss, ComputesNoGradientsWhereNoneAreWanted) {
  const torch::NoGradGuard no_grad;
  const auto hidden = torch::randn({5, 8});
  const auto weight = torch::randn({11, 8}).requires_grad_();
  const auto targets = torch::randint(0, 11, {5}, torch::kLong);
  const auto loss = vocabulary_loss(hidden, weight, targets, {});
  EXPECT_FALSE(loss.requires_grad());
  const double expected = torch::cross_entropy_loss(torch::matmul(hidden, weight.t()), targets).item<double>();
  EXPECT_NEAR(loss.item<double>(), expected, 1e-5);
}

// Where one logit towers above all others the loss must not become infinite.
TEST(VocabularyLoss, SurvivesExtremeLogits) {
  const auto hidden = torch::tensor({{200.0f}, {-200.0f}}).requires_grad_();
  const auto weight = torch::tensor({{1.0f}, {-1.0f}, {0.0f}});
  const auto loss = vocabulary_loss(hidden, weight, torch::tensor({std::int64_t{1}, std::int64_t{1}}), {});
  EXPECT_FLOAT_EQ(loss.item<float>(), 200.0f);  // (400 + 0) / 2
  loss.backward();
  EXPECT_TRUE(hidden.grad().isfinite().all().item<bool>());
}

}  // namespace
}  // namespace bitmar
