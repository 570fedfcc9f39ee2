// What a run takes from its settings before the first step.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "pretrain/settings.h"

namespace bitmar {

// Occurrences of every token [vocabulary] in the training streams' shards: for the sampled vocabulary.
[[nodiscard]] Result<std::vector<std::uint64_t>> token_counts(const PretrainSettings& settings);

// Of train.device. kInvalidArgument where it is none, kUnsupported where this machine has none such.
[[nodiscard]] Result<torch::Device> parse_device(const std::string& name);

}  // namespace bitmar
