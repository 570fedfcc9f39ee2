// A loader's batch as tensors: what the model reads and what the objective compares.
#pragma once

#include <torch/torch.h>

#include "data/batch_loader.h"
#include "nn/bitmar_model.h"

namespace bitmar {

// T here is the loader's longest segment less one: token t is an input, token t + 1 its target.
struct BatchTensors {
  ModelInput input;
  torch::Tensor targets;   // int64 [n], the next tokens at the real positions
  torch::Tensor places;    // int64 [n], those positions in the flattened [rows * segments * T]
  torch::Tensor identity;  // int64 [rows], the images' numbers
  std::uint32_t stream = 0;  // the batch's
};

[[nodiscard]] BatchTensors batch_tensors(const Batch& batch, torch::Device device);

}  // namespace bitmar
