#include "pretrain/run_inputs.h"

#include <torch/torch.h>

#include "data/shard.h"

namespace bitmar {

Result<std::vector<std::uint64_t>> token_counts(const PretrainSettings& settings) {
  std::vector<std::uint64_t> counts(settings.model.vocabulary, 0);
  for (const auto& stream : settings.data.train) {
    for (const auto& source : stream.sources) {
      BITMAR_TRY(const Shard shard, Shard::open(settings.data.shards + "/" + source));
      if (shard.manifest().vocabulary > counts.size()) {
        return fail(ErrorCode::kInvalidArgument, "model.vocabulary is {}, but '{}' was tokenized with {}",
                    counts.size(), source, shard.manifest().vocabulary);
      }
      for (const auto token : shard.tokens()) ++counts[token];
    }
  }
  ++counts.back();  // end-of-text, which shards leave out
  return counts;
}

Result<torch::Device> parse_device(const std::string& name) {
  try {
    const torch::Device device(name);
    if (device.is_cuda() && !torch::cuda::is_available()) {
      return fail(ErrorCode::kUnsupported, "train.device is '{}', but there is no CUDA device", name);
    }
    return device;
  } catch (const c10::Error&) {
    return fail(ErrorCode::kInvalidArgument, "train.device: '{}' is no device; expected cpu, cuda or cuda:N", name);
  }
}

}  // namespace bitmar
