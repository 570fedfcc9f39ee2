#include "distill/distiller.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <utility>

#include "nn/autocast.h"
#include "nn/matrix_products.h"
#include "nn/vision_transformer_weights.h"

namespace bitmar {
namespace {

constexpr std::uint64_t kEvaluationBatch = 16;
constexpr bool kPooled = true;
constexpr const char* kStudentPrefix = "model.vision_tower.";
constexpr const char* kCourseKey = "course";
constexpr const char* kTowerKey = "tower";

torch::Tensor pooled_if(bool pooled, const torch::Tensor& features) {
  return pooled ? pool_patches(features) : features;
}

VisionTransformer make_student(const VisionTowerConfig& config, const VisionTransformer& teacher) {
  VisionTransformer student(config);
  copy_tower_weights(*teacher, *student);
  return student;
}

// Matrices decay; scales have a learning rate of their own; norms, biases and embeddings are the rest.
std::vector<ParameterGroup> make_groups(const VisionTransformer& student, const DistillSettings& settings) {
  const StatePrecision state = settings.optimizer.state;
  ParameterGroup matrices{.name = "matrices", .parameters = {}, .state = state};
  ParameterGroup scales{.name = "scales",
                        .parameters = {},
                        .learning_rate_multiplier = settings.scale_learning_rate,
                        .weight_decay = false,
                        .state = StatePrecision::kFloat32};
  ParameterGroup rest{.name = "rest", .parameters = {}, .weight_decay = false, .state = StatePrecision::kFloat32};
  for (const auto& parameter : student->named_parameters()) {
    ParameterGroup& group = parameter.key().ends_with(".scale")                                    ? scales
                            : parameter.key().ends_with(".weight") && parameter.value().dim() == 2 ? matrices
                                                                                                   : rest;
    group.parameters.push_back({parameter.key(), parameter.value()});
  }
  return {std::move(matrices), std::move(scales), std::move(rest)};
}

Result<void> restore_student(const Checkpoint& checkpoint, VisionTransformerImpl& student) {
  const torch::NoGradGuard no_gradient;
  for (auto& parameter : student.named_parameters()) {
    BITMAR_TRY(const torch::Tensor value, checkpoint.tensor(kStudentPrefix + parameter.key()));
    if (value.sizes() != parameter.value().sizes()) {
      return fail(ErrorCode::kInvalidFile, "checkpoint: tensor '{}{}' has another shape", kStudentPrefix,
                  parameter.key());
    }
    parameter.value().copy_(value);
  }
  return {};
}

}  // namespace

Distiller::Distiller(const DistillSettings& settings, VisionTransformer teacher, const PhotoSet& training,
                     const PhotoSet& validation)
    : settings_(settings),
      teacher_(std::move(teacher)),
      student_(make_student(settings.student, teacher_)),
      training_(training),
      validation_(validation),
      optimizer_(make_groups(student_, settings), settings.optimizer.adamw) {
  teacher_->eval();
  if (settings_.autocast == Autocast::kBFloat16) set_gradient_products(*student_, GradientProducts::kBFloat16);
  const std::uint64_t measured = std::min(settings_.statistics_photos, training_.size());
  statistics_ = measure_statistics(plain_features(teacher_, training_, measured, settings_.objective.pooled));
  validation_features_ = plain_features(teacher_, validation_, validation_.size(), kPooled);
}

torch::Tensor Distiller::plain_features(VisionTransformer& tower, const PhotoSet& photos, std::uint64_t count,
                                        bool pooled) const {
  const torch::NoGradGuard no_gradient;
  std::vector<torch::Tensor> parts;
  for (std::uint64_t first = 0; first < count; first += kEvaluationBatch) {
    const auto batch = photos.plain_batch(first, std::min(kEvaluationBatch, count - first));
    parts.push_back(pooled_if(pooled, tower(batch)));
  }
  return torch::cat(parts);
}

Result<void> Distiller::initialise(const VisionTransformer& earlier) {
  const torch::NoGradGuard no_gradient;
  const auto values = earlier->named_parameters();
  for (auto& parameter : student_->named_parameters()) {
    const torch::Tensor* const value = values.find(parameter.key());
    if (value == nullptr || value->sizes() != parameter.value().sizes()) {
      return fail(ErrorCode::kInvalidArgument,
                  "tensor '{}' is missing or has another shape; expected a tower like '{}'", parameter.key(),
                  settings_.student.name);
    }
    parameter.value().copy_(*value);
  }
  return {};
}

DistillStep Distiller::step() {
  const torch::Tensor images =
      training_.random_batch(steps_ * settings_.batch, settings_.batch, settings_.seed, settings_.augmentation);
  const bool with_residuals = settings_.objective.residual_weight > 0.0;
  std::vector<torch::Tensor> teacher_streams;
  std::vector<torch::Tensor> student_streams;
  torch::Tensor target;
  {
    const torch::NoGradGuard no_gradient;
    const bool fast = !images.is_cpu() || fast_products().bfloat16;
    const AutocastScope autocast(fast ? settings_.autocast : Autocast::kOff, images.device());
    const auto every = teacher_->forward_with_residuals(images, with_residuals ? &teacher_streams : nullptr);
    target = pooled_if(settings_.objective.pooled, every).to(torch::kFloat);
    for (auto& stream : teacher_streams) stream = stream.to(torch::kFloat);
  }
  const auto every = student_->forward_with_residuals(images, with_residuals ? &student_streams : nullptr);
  const torch::Tensor features = pooled_if(settings_.objective.pooled, every);
  const ObjectiveTerms terms = feature_objective(features, target, statistics_, settings_.objective);
  torch::Tensor total = terms.total;
  DistillStep report{.cosine = terms.cosine.item<double>(), .smooth_l1 = terms.smooth_l1.item<double>()};
  if (with_residuals) {
    const torch::Tensor residual = residual_error(student_streams, teacher_streams);
    report.residual = residual.item<double>();
    const double done = static_cast<double>(steps_) / static_cast<double>(settings_.steps);
    total = total + settings_.objective.residual_weight * (1.0 - done) * residual;
  }
  report.total = total.item<double>();
  total.backward();
  report.gradient_norm = optimizer_.clip_gradients(settings_.optimizer.clip_norm);
  if (!std::isfinite(report.total) || !std::isfinite(report.gradient_norm)) {
    throw std::runtime_error(
        fmt::format("step {}: the loss ({}) or its gradient's norm ({}) is not finite; expected a "
                    "lower learning rate",
                    steps_ + 1, report.total, report.gradient_norm));
  }
  report.learning_rate = learning_rate(settings_.schedule, steps_);
  optimizer_.step(report.learning_rate);
  keep_scales_positive(*student_);
  optimizer_.zero_gradients();
  ++steps_;
  return report;
}

double Distiller::evaluate() {
  const torch::Tensor features = plain_features(student_, validation_, validation_.size(), kPooled);
  return centred_cosine(features, validation_features_, statistics_).item<double>();
}

Checkpoint Distiller::checkpoint() const {
  Checkpoint checkpoint;
  checkpoint.step = steps_;
  for (const auto& parameter : student_->named_parameters()) {
    checkpoint.tensors.emplace_back(kStudentPrefix + parameter.key(), parameter.value().detach());
  }
  checkpoint.add("optimizer.", optimizer_.state());
  checkpoint.tensors.emplace_back("teacher.mean", statistics_.mean);
  checkpoint.tensors.emplace_back("teacher.deviation", statistics_.deviation);
  checkpoint.texts[kCourseKey] = describe_course(settings_);
  checkpoint.texts[kTowerKey] = settings_.student.name;
  return checkpoint;
}

Result<void> Distiller::restore(const Checkpoint& checkpoint) {
  BITMAR_TRY(const std::string course, checkpoint.text(kCourseKey));
  if (course != describe_course(settings_)) {
    return fail(
        ErrorCode::kInvalidArgument,
        "the checkpoint's run had other settings; expected the same, or another run folder\n  then: {}\n  now:  {}",
        course, describe_course(settings_));
  }
  BITMAR_TRY_VOID(restore_student(checkpoint, *student_));
  BITMAR_TRY(statistics_.mean, checkpoint.tensor("teacher.mean"));
  BITMAR_TRY(statistics_.deviation, checkpoint.tensor("teacher.deviation"));
  optimizer_.load_state(checkpoint.with_prefix("optimizer."));
  steps_ = checkpoint.step;
  return {};
}

Result<VisionTransformer> load_student(const Checkpoint& checkpoint) {
  BITMAR_TRY(const std::string name, checkpoint.text(kTowerKey));
  BITMAR_TRY(const VisionTowerConfig config, tower_preset(name));
  VisionTransformer student(config);
  BITMAR_TRY_VOID(restore_student(checkpoint, *student));
  student->eval();
  return student;
}

}  // namespace bitmar
