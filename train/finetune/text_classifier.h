// BitMar as a classifier of texts: encoder and fusion, no image, no decoder; a small head on the pooled fused state.
//
//   TextClassifier classifier(config, 2, 0.1);
//   torch::Tensor logits = classifier->forward(tokens, mask);
#pragma once

#include <cstdint>

#include "nn/bitmar_model.h"
#include "torch_headers.h"

namespace bitmar {

// The head of the BabyLM 2025 evaluation pipeline, in FP32:
//   norm, linear, GELU, norm, dropout, linear; the norms without weights.
class ClassificationHeadImpl : public torch::nn::Module {
 public:
  ClassificationHeadImpl(std::int64_t inputs, std::int64_t width, std::int64_t classes, double dropout);
  torch::Tensor forward(const torch::Tensor& pooled);  // [rows, inputs] -> [rows, classes]

 private:
  torch::nn::Linear hidden_{nullptr}, output_{nullptr};
  double dropout_;
};
TORCH_MODULE(ClassificationHead);

// What is pooled is the query of the whole text, q̄: the mean of the fused states F over its tokens (not the last or
// first state that the pipeline takes of other models). A model with memory reads its store with q̄, and the head sees
// [q̄; r(q̄)]; the store itself stays as it is.
class TextClassifierImpl : public torch::nn::Module {
 public:
  TextClassifierImpl(const ModelConfig& config, std::int64_t classes, double dropout);

  // tokens int64 [rows, T], any valid id at padding; mask bool [rows, T], true at real tokens: a prefix of every row,
  // not empty. -> logits [rows, classes]
  torch::Tensor forward(const torch::Tensor& tokens, const torch::Tensor& mask);

  BitmarModel& model() { return model_; }
  ClassificationHead& head() { return head_; }

 private:
  BitmarModel model_{nullptr};
  ClassificationHead head_{nullptr};
};
TORCH_MODULE(TextClassifier);

}  // namespace bitmar
