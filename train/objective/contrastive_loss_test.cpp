#include "objective/contrastive_loss.h"

#include <gmock/gmock.h>

namespace bitmar {
namespace {

TEST(ContrastiveLoss, IsSymmetricInfoNce) {
  torch::manual_seed(1);
  ContrastiveLoss contrast;
  const auto texts = torch::randn({4, 8});
  const auto images = torch::randn({4, 8});
  const auto result = contrast->forward(texts, images, torch::arange(4, torch::kLong));
  double expected = 0;
  double cosine = 0;
  const auto similarity = [&](std::int64_t i, std::int64_t j) {
    return torch::cosine_similarity(texts[i], images[j], 0).item<double>() / 0.07;
  };
  for (std::int64_t i = 0; i < 4; ++i) {
    double by_text = 0;
    double by_image = 0;
    for (std::int64_t j = 0; j < 4; ++j) {
      by_text += std::exp(similarity(i, j));
      by_image += std::exp(similarity(j, i));
    }
    expected += (std::log(by_text) + std::log(by_image) - 2.0 * similarity(i, i)) / 8.0;
    cosine += similarity(i, i) * 0.07 / 4.0;
  }
  EXPECT_NEAR(result.loss.item<double>(), expected, 1e-5 * expected);
  EXPECT_NEAR(result.cosine.item<double>(), cosine, 1e-6);
  EXPECT_NEAR(contrast->temperature(), 0.07, 1e-7);
}

TEST(ContrastiveLoss, TwoCaptionsOfOnePhotoAreNoNegatives) {
  torch::manual_seed(2);
  ContrastiveLoss contrast;
  auto texts = torch::randn({3, 8});
  const auto images = torch::randn({3, 8});
  images[2].copy_(images[0]);
  const auto identity = torch::tensor({std::int64_t{5}, std::int64_t{6}, std::int64_t{5}});
  texts.requires_grad_();
  const auto loss = contrast->forward(texts, images, identity).loss;
  loss.backward();
  EXPECT_TRUE(texts.grad().isfinite().all().item<bool>());
  // With the rest removed, row 0 has one negative left.
  const auto pair = contrast->forward(texts.narrow(0, 0, 2), images.narrow(0, 0, 2), identity.narrow(0, 0, 2)).loss;
  const auto distinct = contrast->forward(texts, images, torch::arange(3, torch::kLong)).loss;
  EXPECT_LT(loss.item<double>(), distinct.item<double>());
  EXPECT_GT(pair.item<double>(), 0.0);
}

// A bound inside the loss would leave a temperature that a step carried below it without a gradient.
TEST(ContrastiveLoss, ATemperatureAtItsFloorCanRise) {
  ContrastiveLoss loss;
  torch::Tensor parameter = loss->named_parameters()["log_temperature"];
  {
    const torch::NoGradGuard no_gradient;
    parameter.fill_(-9.0);
  }
  loss->keep_temperature_above_floor();
  EXPECT_NEAR(loss->temperature(), 0.01, 1e-8);
  torch::manual_seed(2);
  loss->forward(torch::randn({4, 8}), torch::randn({4, 8}), torch::arange(4)).loss.backward();
  EXPECT_NE(parameter.grad().item<float>(), 0.0f);
}

TEST(ContrastiveLoss, MaskedMeanIgnoresPadding) {
  const auto values = torch::arange(12, torch::kFloat32).view({2, 3, 2});
  const auto mask = torch::tensor({{true, true, false}, {false, false, false}});
  const auto mean = masked_mean(values, mask);
  EXPECT_TRUE(torch::equal(mean, torch::tensor({{1.0f, 2.0f}, {0.0f, 0.0f}})));
}

}  // namespace
}  // namespace bitmar
