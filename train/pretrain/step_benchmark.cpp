#include "pretrain/step_benchmark.h"

#include <ctime>

#include "base/random.h"
#include "base/stopwatch.h"
#include "optim/schedule.h"
#include "pretrain/batch_tensors.h"
#include "pretrain/run_parts.h"
#include "torch_headers.h"

namespace bitmar {

Batch synthetic_batch(const SyntheticShape& shape, const ModelConfig& config, std::uint64_t seed) {
  Random random(seed);
  const std::size_t segments = std::size_t{shape.rows} * shape.segments;
  Batch batch;
  batch.rows = shape.rows;
  batch.segments = shape.segments;
  batch.length = shape.length + 1;  // the last token is only a target
  batch.tokens.resize(segments * batch.length);
  for (auto& token : batch.tokens) token = static_cast<std::int64_t>(random.below(config.vocabulary));
  batch.lengths.assign(segments, batch.length);
  batch.images.assign(shape.rows, -1);
  if (shape.patches == 0) return batch;
  for (std::uint32_t row = 0; row < shape.rows; ++row) batch.images[row] = row;
  batch.feature_tokens = shape.patches;
  batch.feature_width = config.vision_width;
  batch.features.resize(std::size_t{shape.rows} * shape.patches * config.vision_width);
  for (auto& value : batch.features) value = static_cast<float>(random.normal());
  return batch;
}

Result<std::unique_ptr<StepBenchmark>> StepBenchmark::open(const PretrainSettings& settings,
                                                           const std::optional<SyntheticShape>& synthetic) {
  if (synthetic && (synthetic->rows == 0 || synthetic->segments == 0 || synthetic->length == 0)) {
    return fail(ErrorCode::kInvalidArgument, "a made-up batch of {} rows, {} segments and {} tokens; expected > 0",
                synthetic->rows, synthetic->segments, synthetic->length);
  }
  BITMAR_TRY(const torch::Device device, parse_device(settings.train.device, 0));
  if (settings.train.threads > 0) at::set_num_threads(static_cast<int>(settings.train.threads));
  torch::manual_seed(settings.train.seed);
  std::optional<Tokenizer> tokenizer;
  std::vector<std::uint64_t> counts;
  if (synthetic) {
    counts.assign(settings.model.vocabulary, 1);
  } else {
    BITMAR_TRY(tokenizer, Tokenizer::from_merges_file(settings.data.merges));
    BITMAR_TRY_VOID(check_vocabulary(settings, *tokenizer));
    if (settings.objective.sampled_core > 0) {
      BITMAR_TRY(counts, token_counts(settings));
    }
  }
  std::unique_ptr<StepBenchmark> benchmark(new StepBenchmark(settings, device, counts));
  if (synthetic) {
    benchmark->synthetic_ = synthetic_batch(*synthetic, settings.model, settings.train.seed);
  } else {
    BITMAR_TRY(benchmark->loader_, BatchLoader::open(settings.data, settings.data.train, false));
    BITMAR_TRY(benchmark->practice_, CaptionPractice::open(settings.data, *benchmark->loader_, *tokenizer));
  }
  return benchmark;
}

Result<StepTimes> StepBenchmark::step() {
  StepTimes times;
  Stopwatch whole;
  const std::clock_t begin = std::clock();
  for (std::uint32_t part = 0; part < settings_.train.accumulation; ++part) {
    Stopwatch watch;
    Batch loaded;
    if (!synthetic_) {
      BITMAR_TRY(loaded, loader_->next());
    }
    const BatchTensors tensors = synthetic_
                                     ? batch_tensors(*synthetic_, device_)
                                     : practice_->tensors(loaded, learner_.model(), learner_.batch_seed(), device_);
    times.data += watch.lap() * 1e-6;
    learner_.accumulate(tensors, 1.0);
  }
  times.outcome = learner_.apply(learning_rate(settings_.schedule, done_));
  ++done_;
  times.seconds = whole.lap() * 1e-6;
  times.processor_seconds = static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
  return times;
}

Result<void> StepBenchmark::record(const std::string& path) {
  if (!synthetic_) return fail(ErrorCode::kInvalidArgument, "only a made-up batch can be recorded");
  Checkpoint file;
  file.step = done_;
  file.texts["config"] = settings_.text;
  save_module(*learner_.model(), file, "model.");
  save_module(*learner_.contrast(), file, "contrast.");
  const BatchTensors batch = batch_tensors(*synthetic_, torch::kCPU);
  file.add("batch.", {{"tokens", batch.input.tokens},
                      {"mask", batch.input.mask.to(torch::kLong)},
                      {"targets", batch.targets},
                      {"places", batch.places},
                      {"identity", batch.identity}});
  if (batch.input.features.defined()) file.add("batch.", {{"features", batch.input.features}});
  return save_checkpoint(path, file);
}

}  // namespace bitmar
