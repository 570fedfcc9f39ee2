// What a researcher wants to see every few hundred steps: where the gradient is, what the memory does, what attention
// looks at, how ternary the weights are. Everything goes to the run's log.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "log/run_log.h"
#include "nn/bitmar_model.h"
#include "objective/contrastive_loss.h"
#include "pretrain/batch_tensors.h"

namespace bitmar {

void log_gradient_norms(const std::map<std::string, double>& norms, RunLog& log);

// Zeros of every ternary matrix and over all of them (Q of docs/model.md), and the scales.
void log_quantization(BitmarModel& model, RunLog& log);

// Runs the batch once more, in evaluation mode: slot activation and utilisation, attention maps, retrieval in the
// batch.
void log_activations(BitmarModel& model, ContrastiveLoss& contrast, const BatchTensors& batch, RunLog& log);

// Multiplications and additions of matrix products in one forward and backward pass (three times the forward's) of a
// batch: `positions` padded tokens in sequences of `length`, `images` photos of `patches` features, `targets` predicted
// tokens over `columns` of the vocabulary.
struct StepShape {
  std::int64_t positions = 0;
  std::int64_t length = 0;
  std::int64_t images = 0;
  std::int64_t patches = 0;  // after pooling
  std::int64_t targets = 0;
  std::int64_t columns = 0;
};
[[nodiscard]] double step_flops(const ModelConfig& config, const StepShape& shape);

}  // namespace bitmar
