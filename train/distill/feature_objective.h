// What distillation asks of the student: patch features like the teacher's, pooled or each.
//
// A ViT's features share a large common component, so a plain cosine is near 1 for any two photos. Everything here is
// therefore measured about the teacher's mean over photos and patches.
#pragma once

#include "torch_headers.h"

namespace bitmar {

// Mean and deviation of the teacher's features, per dimension: [width] each.
struct FeatureStatistics {
  torch::Tensor mean;
  torch::Tensor deviation;  // at least 1e-6
};

// features: [photos, patches, width]
[[nodiscard]] FeatureStatistics measure_statistics(const torch::Tensor& features);

// The mean over patches of cos(student - mean, teacher - mean): a scalar tensor in [-1, 1].
[[nodiscard]] torch::Tensor centred_cosine(const torch::Tensor& student, const torch::Tensor& teacher,
                                           const FeatureStatistics& statistics);

struct DistillObjective {
  bool pooled = true;             // compares the pooled patches, which are what the model sees; false: every patch
  double smooth_l1_weight = 0.3;  // of the standardised features, which fixes the magnitudes that a cosine leaves open
  // Of the residual streams after every block, falling linearly to zero at the end of the run: early on they tell each
  // block what to do, in the end only the features count. 0: not computed.
  double residual_weight = 0.0;
};

struct ObjectiveTerms {
  torch::Tensor total;      // scalar, differentiable
  torch::Tensor cosine;     // centred_cosine
  torch::Tensor smooth_l1;  // of the standardised features
};

// (1 - cosine) + smooth_l1_weight * smooth_l1. Features: [photos, patches, width], the teacher's detached.
[[nodiscard]] ObjectiveTerms feature_objective(const torch::Tensor& student, const torch::Tensor& teacher,
                                               const FeatureStatistics& statistics, const DistillObjective& settings);

// The share of the teacher's variance over photos and tokens that the student misses, averaged over dimensions and over
// the given residual streams: [photos, tokens, width] each.
[[nodiscard]] torch::Tensor residual_error(const std::vector<torch::Tensor>& student,
                                           const std::vector<torch::Tensor>& teacher);

}  // namespace bitmar
