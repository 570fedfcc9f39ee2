// Evaluation mode and no gradients for a scope.
#pragma once

#include "nn/bitmar_model.h"
#include "torch_headers.h"

namespace bitmar {

class EvaluationScope {
 public:
  explicit EvaluationScope(BitmarModel& model) : model_(model), training_(model->is_training()) { model_->eval(); }
  ~EvaluationScope() { model_->train(training_); }
  EvaluationScope(const EvaluationScope&) = delete;
  EvaluationScope& operator=(const EvaluationScope&) = delete;

 private:
  torch::NoGradGuard no_grad_;
  BitmarModel& model_;
  bool training_;
};

}  // namespace bitmar
