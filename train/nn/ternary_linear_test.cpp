#include "nn/ternary_linear.h"

#include <gmock/gmock.h>

#include <cmath>
#include <vector>

#include "nn/bit_linear.h"
#include "nn/fused_ops.h"
#include "nn/testing.h"

namespace bitmar {
namespace {

using testing_nn::relative_error;

struct Operands {
  torch::Tensor x, weight, scales, upstream;
};

// x [2, tokens / 2, in] with a token of zeros and one of large values; `groups` matrices of [out, in].
Operands random_operands(std::int64_t tokens, std::int64_t in, std::int64_t out, std::int64_t groups) {
  torch::manual_seed(1);
  Operands operands{torch::randn({2, tokens / 2, in}), torch::randn({groups * out, in}) * 0.05,
                    torch::linspace(0.02, 0.05, groups), torch::randn({2, tokens / 2, groups * out})};
  operands.x[0][0].zero_();
  operands.x[1][0].mul_(1000.0);
  operands.x.requires_grad_();
  operands.weight.requires_grad_();
  operands.scales.requires_grad_();
  return operands;
}

// The definition, in FP64 apart from the quantizers: fake_quantize_activations(x) · fake_quantize_ternary(w, s)ᵀ.
torch::Tensor plain(const Operands& operands) {
  const std::int64_t groups = operands.scales.size(0);
  std::vector<torch::Tensor> matrices;
  const auto parts = operands.weight.chunk(groups);
  for (std::int64_t g = 0; g < groups; ++g) {
    matrices.push_back(fake_quantize_ternary(parts[static_cast<std::size_t>(g)], operands.scales.narrow(0, g, 1)));
  }
  return torch::linear(fake_quantize_activations(operands.x).to(torch::kDouble),
                       torch::cat(matrices).to(torch::kDouble));
}

class TernaryLinearTest : public ::testing::TestWithParam<GradientProducts> {};

TEST_P(TernaryLinearTest, EqualsItsDefinition) {
  const bool bfloat16 = GetParam() == GradientProducts::kBFloat16;
  // A product's operands carry a relative error of 2^-9 (BF16's half unit) each where they are not codes, and its
  // result one more; errors are independent, so a sum's is not larger.
  const double gradient_error = bfloat16 ? 3 * 0x1p-9 : 64 * 0x1p-24;
  for (const auto& [tokens, in, out, groups] :
       std::vector<std::array<std::int64_t, 4>>{{6, 7, 5, 1}, {64, 128, 128, 3}, {34, 33, 65, 2}, {512, 128, 512, 1}}) {
    const Operands operands = random_operands(tokens, in, out, groups);
    const torch::Tensor y = ternary_linear(operands.x, operands.weight, operands.scales, GetParam());
    (y * operands.upstream).sum().backward();
    const std::vector<torch::Tensor> gradients = {operands.x.grad().clone(), operands.weight.grad().clone(),
                                                  operands.scales.grad().clone()};
    for (const auto& leaf : {operands.x, operands.weight, operands.scales}) leaf.mutable_grad().reset();

    const torch::Tensor expected = plain(operands);
    (expected * operands.upstream).sum().backward();
    // The sums are exact; three roundings of FP32 follow.
    EXPECT_LE((y - expected).abs().max().item<double>(), 4 * 0x1p-24 * expected.abs().max().item<double>());
    EXPECT_LT(relative_error(gradients[0], operands.x.grad()), gradient_error) << tokens << " " << in;
    EXPECT_LT(relative_error(gradients[1], operands.weight.grad()), gradient_error) << tokens << " " << in;
    // LSQ divides a sum of slopes of at most 1 times the weight's gradient by sqrt(elements): its error is at most the
    // norm of that gradient's.
    const auto weight_gradients = operands.weight.grad().chunk(groups);
    for (std::int64_t g = 0; g < groups; ++g) {
      const double norm = weight_gradients[static_cast<std::size_t>(g)].norm().item<double>();
      EXPECT_NEAR(gradients[2][g].item<double>(), operands.scales.grad()[g].item<double>(), gradient_error * norm);
    }
  }
}

TEST_P(TernaryLinearTest, DoesNotDependOnThreads) {
  const auto run = [&](int threads) {
    const int before = torch::get_num_threads();
    torch::set_num_threads(threads);
    const Operands operands = random_operands(700, 96, 192, 2);
    const torch::Tensor y = ternary_linear(operands.x, operands.weight, operands.scales, GetParam());
    (y * operands.upstream).sum().backward();
    torch::set_num_threads(before);
    return std::vector{y.detach(), operands.x.grad()};
  };
  const auto one = run(1);
  const auto two = run(2);
  for (std::size_t i = 0; i < one.size(); ++i) EXPECT_TRUE(torch::equal(one[i], two[i])) << i;
}

INSTANTIATE_TEST_SUITE_P(Products, TernaryLinearTest,
                         ::testing::Values(GradientProducts::kFloat32, GradientProducts::kBFloat16));

TEST(TernaryLinear, TakesNoTokens) {
  const torch::Tensor y =
      ternary_linear(torch::zeros({0, 8}), torch::randn({4, 8}), torch::ones({1}), GradientProducts::kFloat32);
  EXPECT_EQ(y.sizes(), (std::vector<std::int64_t>{0, 4}));
}

TEST(TernaryLinear, OtherTypesTakeTorchsOperations) {
  const Operands operands = random_operands(8, 12, 6, 2);
  const torch::Tensor y = ternary_linear(operands.x.to(torch::kDouble), operands.weight.to(torch::kDouble),
                                         operands.scales.to(torch::kDouble), GradientProducts::kBFloat16);
  EXPECT_EQ(y.scalar_type(), torch::kDouble);
  EXPECT_LT(relative_error(y, plain(operands)), 1e-6);
}

TEST(BitLinear, ProjectsTogetherWhatEachProjectsAlone) {
  torch::manual_seed(2);
  for (const auto precision : {LinearPrecision::kTernary, LinearPrecision::kFloat32}) {
    for (const bool bias : {false, true}) {
      const std::vector<BitLinear> layers = {BitLinear(16, 12, bias, precision), BitLinear(16, 12, bias, precision)};
      const torch::Tensor x = torch::randn({3, 5, 16});
      const auto together = project_together(x, layers);
      ASSERT_EQ(together.size(), layers.size());
      for (std::size_t i = 0; i < layers.size(); ++i) {
        BitLinear layer = layers[i];
        EXPECT_LT((together[i] - layer(x)).abs().max().item<double>(), 1e-6);
      }
    }
  }
}

TEST(BitLinear, ScalesStayAboveAShareOfTheMeanWeight) {
  torch::manual_seed(3);
  BitLinear layer(16, 16);
  const double mean = layer->weight.abs().mean().item<double>();
  {
    const torch::NoGradGuard no_gradient;
    layer->scale.fill_(-1.0);
  }
  keep_scales_positive(*layer);
  EXPECT_NEAR(layer->scale.item<double>(), kMinimumScaleShare * mean, 1e-7);
  {
    const torch::NoGradGuard no_gradient;
    layer->scale.fill_(mean);
  }
  keep_scales_positive(*layer);
  EXPECT_FLOAT_EQ(layer->scale.item<float>(), static_cast<float>(mean));
}

}  // namespace
}  // namespace bitmar
