// Times the optimizer steps of a configuration: the loader's batches, or one made-up batch at every step. Nothing is
// written but what record() is asked for.
//
//   BITMAR_TRY(const auto benchmark, StepBenchmark::open(settings, SyntheticShape{.rows = 64, .length = 256}));
//   BITMAR_TRY(const StepTimes times, benchmark->step());
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "data/batch_loader.h"
#include "pretrain/caption_practice.h"
#include "pretrain/learner.h"
#include "pretrain/settings.h"

namespace bitmar {

// A batch of random tokens, every segment full; each row has a photo of its own unless `patches` is 0.
struct SyntheticShape {
  std::uint32_t rows = 64;
  std::uint32_t segments = 1;
  std::uint32_t length = 256;  // predicted tokens a segment
  std::uint32_t patches = 64;  // of a photo, as the feature file has them
};
[[nodiscard]] Batch synthetic_batch(const SyntheticShape& shape, const ModelConfig& config, std::uint64_t seed);

struct StepTimes {
  double data = 0;     // seconds until the step's batches were there as tensors
  double seconds = 0;  // of the whole step
  double processor_seconds = 0;  // of all threads, system calls included: what other load on the machine changes least
  StepOutcome outcome;
};

class StepBenchmark {
 public:
  // With `synthetic` no data is read. Errors: bad settings, missing data, sizes of 0.
  static Result<std::unique_ptr<StepBenchmark>> open(const PretrainSettings& settings,
                                                     const std::optional<SyntheticShape>& synthetic);

  // The next step, at the schedule's learning rate.
  [[nodiscard]] Result<StepTimes> step();

  // Parameters ("model.", "contrast.") and the made-up batch ("batch.": tokens [rows, segments, T], mask, targets [n],
  // places [n], identity [rows], and with photos features [rows, N, F]) as safetensors, with the configuration as
  // "config", for another implementation to repeat the next step. kInvalidArgument without a made-up batch.
  [[nodiscard]] Result<void> record(const std::string& path);

 private:
  StepBenchmark(const PretrainSettings& settings, torch::Device device, const std::vector<std::uint64_t>& counts)
      : settings_(settings), device_(device), learner_(settings, device, counts) {}

  PretrainSettings settings_;
  torch::Device device_;
  Learner learner_;
  std::unique_ptr<BatchLoader> loader_;
  std::optional<CaptionPractice> practice_;  // with the loader
  std::optional<Batch> synthetic_;
  std::uint64_t done_ = 0;
};

}  // namespace bitmar
