#include "objective/contrastive_loss.h"

#include <cmath>
#include <limits>

namespace bitmar {
namespace {

constexpr double kInitialTemperature = 0.07;
constexpr double kNormFloor = 1e-8;
constexpr double kMinimumTemperature = 0.01;  // as in CLIP: logits at most 100

}  // namespace

ContrastiveLossImpl::ContrastiveLossImpl()
    : log_temperature_(register_parameter("log_temperature", torch::full({1}, std::log(kInitialTemperature)))) {}

ContrastiveResult ContrastiveLossImpl::forward(const torch::Tensor& texts, const torch::Tensor& images,
                                               const torch::Tensor& identity) {
  const auto text = unit_rows(texts.to(torch::kFloat32));
  const auto image = unit_rows(images.to(torch::kFloat32));
  const std::int64_t pairs = text.size(0);
  const auto cosines = torch::matmul(text, image.t());  // [pairs, pairs]
  const auto temperature = log_temperature_.exp();
  const auto same_image = identity.unsqueeze(0).eq(identity.unsqueeze(1));
  const auto diagonal = torch::eye(pairs, same_image.options());
  const auto logits =
      (cosines / temperature)
          .masked_fill(same_image.logical_and(diagonal.logical_not()), -std::numeric_limits<float>::infinity());
  const auto own = torch::arange(pairs, identity.options());
  const auto loss = 0.5 * (torch::cross_entropy_loss(logits, own) + torch::cross_entropy_loss(logits.t(), own));
  return {loss, cosines.detach().diagonal().mean()};
}

void ContrastiveLossImpl::keep_temperature_above_floor() {
  const torch::NoGradGuard no_gradient;
  log_temperature_.clamp_min_(std::log(kMinimumTemperature));
}

torch::Tensor unit_rows(const torch::Tensor& rows) {
  return rows / rows.norm(2, -1, true).clamp_min(kNormFloor);
}

torch::Tensor masked_mean(const torch::Tensor& values, const torch::Tensor& mask) {
  const auto weights = mask.to(values.scalar_type()).unsqueeze(2);  // [rows, T, 1]
  return (values * weights).sum(1) / weights.sum(1).clamp_min(1.0);
}

}  // namespace bitmar
