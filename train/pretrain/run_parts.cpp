#include "pretrain/run_parts.h"

#include <utility>

#include "data/shard.h"
#include "torch_headers.h"

namespace bitmar {

Result<void> check_vocabulary(const PretrainSettings& settings, const Tokenizer& tokenizer) {
  const std::uint64_t expected = settings.model.vocabulary;
  if (tokenizer.vocabulary_size() != expected) {
    return fail(ErrorCode::kInvalidArgument, "model.vocabulary is {}, but data.merges, {}, gives {}", expected,
                settings.data.merges, tokenizer.vocabulary_size());
  }
  for (const auto* streams : {&settings.data.train, &settings.data.validation}) {
    for (const auto& stream : *streams) {
      for (const auto& source : stream.sources) {
        BITMAR_TRY(const Shard shard, Shard::open(settings.data.shards + "/" + source));
        if (shard.manifest().vocabulary == expected) continue;
        return fail(ErrorCode::kInvalidArgument, "model.vocabulary is {}, but '{}' was tokenized with {}", expected,
                    source, shard.manifest().vocabulary);
      }
    }
  }
  return {};
}

Result<std::vector<std::uint64_t>> token_counts(const PretrainSettings& settings) {
  std::vector<std::uint64_t> counts(settings.model.vocabulary, 0);
  for (const auto& stream : settings.data.train) {
    for (const auto& source : stream.sources) {
      BITMAR_TRY(const Shard shard, Shard::open(settings.data.shards + "/" + source));
      for (const auto token : shard.tokens()) ++counts[token];
    }
  }
  ++counts.back();  // end-of-text, which shards leave out
  return counts;
}

Result<torch::Device> parse_device(const std::string& name, std::uint32_t local_rank) {
  try {
    torch::Device device(name);
    if (device.is_cuda() && !torch::cuda::is_available()) {
      return fail(ErrorCode::kUnsupported, "train.device is '{}', but there is no CUDA device", name);
    }
    if (device.is_cuda() && !device.has_index() && local_rank > 0) {
      const std::size_t devices = torch::cuda::device_count();
      if (local_rank >= devices) {
        return fail(ErrorCode::kInvalidArgument, "train.device: {} processes on this machine, but {} CUDA devices",
                    local_rank + 1, devices);
      }
      device.set_index(static_cast<torch::DeviceIndex>(local_rank));
    }
    return device;
  } catch (const c10::Error&) {
    return fail(ErrorCode::kInvalidArgument, "train.device: '{}' is no device; expected cpu, cuda or cuda:N", name);
  }
}

Result<RunParts> prepare_parts(const PretrainSettings& settings, std::uint32_t local_rank) {
  BITMAR_TRY(const torch::Device device, parse_device(settings.train.device, local_rank));
  BITMAR_TRY(Tokenizer tokenizer, Tokenizer::from_merges_file(settings.data.merges));
  BITMAR_TRY_VOID(check_vocabulary(settings, tokenizer));
  std::vector<std::uint64_t> counts;
  if (settings.objective.sampled_core > 0) {
    BITMAR_TRY(counts, token_counts(settings));
  }
  if (settings.train.threads > 0) at::set_num_threads(static_cast<int>(settings.train.threads));
  torch::manual_seed(settings.train.seed);
  return RunParts{device, std::move(tokenizer), std::move(counts)};
}

}  // namespace bitmar
