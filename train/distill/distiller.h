// Distillation of a vision tower: the student, started from the teacher's weights or from an earlier student's, learns
// to give the teacher's patch features, pooled or each, on random views of photos. The teacher runs beside it on the
// same views.
//
//   Distiller distiller(settings, teacher, training, validation);
//   while (!distiller.finished()) distiller.step();
//   const double cosine = distiller.evaluate();
#pragma once

#include <cstdint>

#include "base/result.h"
#include "checkpoint/checkpoint.h"
#include "distill/feature_objective.h"
#include "distill/photo_set.h"
#include "distill/settings.h"
#include "nn/vision_transformer.h"
#include "optim/adamw.h"
#include "torch_headers.h"

namespace bitmar {

struct DistillStep {
  double total = 0.0;
  double cosine = 0.0;
  double smooth_l1 = 0.0;
  double residual = 0.0;  // 0 where it is not part of the objective
  double learning_rate = 0.0;
  double gradient_norm = 0.0;
};

class Distiller {
 public:
  // Measures the teacher's statistics on plain training photos and its features on the validation photos. `teacher`
  // has the student's shape. The photo sets must outlive the distiller.
  Distiller(const DistillSettings& settings, VisionTransformer teacher, const PhotoSet& training,
            const PhotoSet& validation);

  // Starts from an earlier student of the same shape, scales included. kInvalidArgument where the shapes differ.
  [[nodiscard]] Result<void> initialise(const VisionTransformer& earlier);

  // One update. Throws std::runtime_error where the loss or the gradient is not finite.
  DistillStep step();
  // The mean-centred cosine of pooled features on the validation photos, plain views.
  [[nodiscard]] double evaluate();

  [[nodiscard]] std::uint64_t steps() const { return steps_; }
  [[nodiscard]] bool finished() const { return steps_ >= settings_.steps; }
  [[nodiscard]] const VisionTransformer& student() const { return student_; }

  // The whole state: the stream's position is the step count, and nothing else is random.
  [[nodiscard]] Checkpoint checkpoint() const;
  // kInvalidArgument where the checkpoint's run had other settings.
  [[nodiscard]] Result<void> restore(const Checkpoint& checkpoint);

 private:
  // Of plain views: [count, patches, width].
  [[nodiscard]] torch::Tensor plain_features(VisionTransformer& tower, const PhotoSet& photos, std::uint64_t count,
                                             bool pooled) const;

  DistillSettings settings_;
  VisionTransformer teacher_;
  VisionTransformer student_;
  const PhotoSet& training_;
  const PhotoSet& validation_;
  FeatureStatistics statistics_;
  torch::Tensor validation_features_;  // the teacher's: [photos, pooled patches, width]
  AdamW optimizer_;
  std::uint64_t steps_ = 0;
};

// The student that a run's checkpoint holds, in evaluation mode.
[[nodiscard]] Result<VisionTransformer> load_student(const Checkpoint& checkpoint);

}  // namespace bitmar
