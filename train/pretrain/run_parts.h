// What a pre-training needs of its machine and its data before it can begin.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "pretrain/settings.h"
#include "text/tokenizer.h"

namespace bitmar {

// kInvalidArgument where the tokenizer, or the shard of a stream's source, has another vocabulary than the model.
[[nodiscard]] Result<void> check_vocabulary(const PretrainSettings& settings, const Tokenizer& tokenizer);

// Occurrences of every token [vocabulary] in the training streams' shards, of the model's vocabulary: for the
// sampled one.
[[nodiscard]] Result<std::vector<std::uint64_t>> token_counts(const PretrainSettings& settings);

// Of train.device; "cuda" is one device for each process of a machine, by `local_rank`. kInvalidArgument where it is
// none, kUnsupported where this machine has none such.
[[nodiscard]] Result<torch::Device> parse_device(const std::string& name, std::uint32_t local_rank);

struct RunParts {
  torch::Device device;
  Tokenizer tokenizer;
  std::vector<std::uint64_t> counts;  // of tokens in the training data [vocabulary]; empty with the full vocabulary
};

// Also sets torch's threads and seed. Of several processes on a machine, `local_rank` is this one's number: with the
// device "cuda" each takes its own. Errors: no such device, no merges, no prepared data.
[[nodiscard]] Result<RunParts> prepare_parts(const PretrainSettings& settings, std::uint32_t local_rank);

}  // namespace bitmar
