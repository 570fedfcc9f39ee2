#include "distill/feature_objective.h"

namespace bitmar {
namespace {

constexpr double kMinimumNorm = 1e-6;

}  // namespace

FeatureStatistics measure_statistics(const torch::Tensor& features) {
  const torch::NoGradGuard no_gradient;
  const torch::Tensor rows = features.reshape({-1, features.size(-1)}).to(torch::kDouble);
  return {.mean = rows.mean(0).to(torch::kFloat),
          .deviation = rows.std(0, /*unbiased=*/false).to(torch::kFloat).clamp_min(kMinimumNorm)};
}

torch::Tensor centred_cosine(const torch::Tensor& student, const torch::Tensor& teacher,
                             const FeatureStatistics& statistics) {
  return torch::cosine_similarity(student - statistics.mean, teacher - statistics.mean, -1, kMinimumNorm).mean();
}

ObjectiveTerms feature_objective(const torch::Tensor& student, const torch::Tensor& teacher,
                                 const FeatureStatistics& statistics, const DistillObjective& settings) {
  ObjectiveTerms terms;
  terms.cosine = centred_cosine(student, teacher, statistics);
  terms.smooth_l1 =
      torch::smooth_l1_loss(student / statistics.deviation, teacher / statistics.deviation, at::Reduction::Mean, 1.0);
  terms.total = 1.0 - terms.cosine + settings.smooth_l1_weight * terms.smooth_l1;
  return terms;
}

torch::Tensor residual_error(const std::vector<torch::Tensor>& student, const std::vector<torch::Tensor>& teacher) {
  TORCH_CHECK(!student.empty() && student.size() == teacher.size(), "residual_error: expected as many streams of both");
  torch::Tensor sum;
  for (std::size_t i = 0; i < student.size(); ++i) {
    const torch::Tensor target = teacher[i].detach();
    const torch::Tensor variance = target.var(at::IntArrayRef{0, 1}, /*unbiased=*/false).clamp_min(kMinimumNorm);
    const torch::Tensor error = ((student[i] - target).square().mean(at::IntArrayRef{0, 1}) / variance).mean();
    sum = sum.defined() ? sum + error : error;
  }
  return sum / static_cast<double>(student.size());
}

}  // namespace bitmar
