// Activation checkpointing: the intermediate results of a block are dropped after the forward pass and computed again
// in the backward pass (Chen et al. 2016). The block must be deterministic: no dropout inside.
#pragma once

#include <functional>
#include <vector>

#include "torch_headers.h"

namespace bitmar {

using CheckpointedBlock = std::function<torch::Tensor(const std::vector<torch::Tensor>&)>;

// Equals block(inputs), gradients included, under the autocast of the call. Parameters used inside receive their
// gradients during the backward pass, so call backward(), not torch::autograd::grad().
[[nodiscard]] torch::Tensor checkpointed(const CheckpointedBlock& block, const std::vector<torch::Tensor>& inputs);

}  // namespace bitmar
