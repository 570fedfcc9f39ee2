#include "pretrain/pretrain.h"

#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "data/shard.h"
#include "export/model_export.h"
#include "io/atomic_file.h"
#include "log/progress.h"
#include "log/run_log.h"
#include "pretrain/diagnostics.h"
#include "pretrain/evaluation.h"
#include "pretrain/learner.h"
#include "text/tokenizer.h"

namespace bitmar {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

// A file of this name in the run's folder asks for diagnostics at the next step.
constexpr const char* kDiagnosticsRequest = "diagnose";

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

class Run {
 public:
  Run(const PretrainSettings& settings, const PretrainOptions& options, torch::Device device,
      const std::vector<std::uint64_t>& counts, Tokenizer tokenizer)
      : settings_(settings),
        options_(options),
        device_(device),
        learner_(settings, device, counts),
        controller_(settings.controller),
        store_(settings.train.run + "/checkpoints", settings.train.keep_checkpoints),
        tokenizer_(std::move(tokenizer)) {}

  Result<void> open();
  Result<PretrainReport> train();

 private:
  Result<void> restore(const Checkpoint& checkpoint);
  Result<StepOutcome> step();
  Result<void> log_step(const StepOutcome& outcome);
  Result<void> diagnose(const BatchTensors& batch);
  Result<void> evaluate();
  Result<void> save();
  void obey_controller();
  void say(const std::string& message);
  bool due(std::uint64_t every) const { return every > 0 && (done_ % every == 0 || done_ == settings_.train.steps); }

  struct StreamLoss {
    double sum = 0;  // L_LM
    std::uint32_t batches = 0;
  };

  const PretrainSettings& settings_;
  const PretrainOptions& options_;
  torch::Device device_;
  Learner learner_;
  AdaptiveController controller_;
  CheckpointStore store_;
  Tokenizer tokenizer_;
  std::unique_ptr<BatchLoader> loader_, validation_;
  std::unique_ptr<RunLog> log_;
  std::unique_ptr<Progress> progress_;
  std::uint64_t done_ = 0;          // steps
  std::uint64_t tokens_ = 0;        // predicted tokens, of the whole run
  std::uint64_t first_tokens_ = 0;  // of them before this process
  double rate_ = 0;                 // of the last step
  double flops_ = 0;
  // Of the last step, by the stream's index.
  std::map<std::uint32_t, StreamLoss> stream_losses_;
  bool diagnose_now_ = false;
  Clock::time_point window_start_ = Clock::now();
  std::uint64_t window_tokens_ = 0;
};

void Run::say(const std::string& message) {
  if (progress_) progress_->interrupt();
  if (options_.messages) options_.messages(LogLevel::kInfo, message);
}

Result<void> Run::open() {
  const auto& train = settings_.train;
  BITMAR_TRY(loader_, BatchLoader::open(settings_.data, settings_.data.train, false));
  if (!settings_.data.validation.empty()) {
    BITMAR_TRY(validation_, BatchLoader::open(settings_.data, settings_.data.validation, true));
  }
  BITMAR_TRY(const auto existing, store_.list());
  if (!options_.resume && !existing.empty()) {
    return fail(ErrorCode::kInvalidArgument,
                "train.run: '{}' has checkpoints already; pass --resume, or choose another", train.run);
  }
  std::optional<std::uint64_t> resumed;
  if (!existing.empty()) {
    std::vector<Error> skipped;
    BITMAR_TRY(const Checkpoint checkpoint, store_.load_latest(true, &skipped));
    for (const auto& error : skipped) say("passed over a damaged checkpoint: " + error.message);
    BITMAR_TRY_VOID(restore(checkpoint));
    resumed = done_;
    say(fmt::format("resumed after step {}", done_));
  } else {
    if (train.init_from.ends_with(".gguf")) {
      BITMAR_TRY(const BitmarModel deployed, load_exported_model(train.init_from));
      BITMAR_TRY_VOID(learner_.initialise(deployed));
      say(fmt::format("started from {}", train.init_from));
    } else if (!train.init_from.empty()) {
      BITMAR_TRY(const Checkpoint checkpoint, open_checkpoint(train.init_from));
      BITMAR_TRY_VOID(learner_.initialise(checkpoint));
      say(fmt::format("started from {} (step {})", train.init_from, checkpoint.step));
    }
    BITMAR_TRY(AtomicFile config, AtomicFile::create(train.run + "/config.toml"));
    BITMAR_TRY_VOID(config.write(std::as_bytes(std::span(settings_.text))));
    BITMAR_TRY_VOID(config.commit());
  }
  BITMAR_TRY(RunLog log, RunLog::open(train.run + "/log", resumed));
  log_ = std::make_unique<RunLog>(std::move(log));
  if (options_.progress != nullptr) {
    progress_ = std::make_unique<Progress>(options_.progress, "train", train.steps, done_);
  }
  return {};
}

Result<void> Run::restore(const Checkpoint& checkpoint) {
  BITMAR_TRY_VOID(learner_.restore(checkpoint));
  BITMAR_TRY(const std::string controller, checkpoint.text("controller"));
  BITMAR_TRY_VOID(controller_.restore(controller));
  BITMAR_TRY(const std::string position, checkpoint.text("data"));
  BITMAR_TRY_VOID(loader_->seek(position));
  BITMAR_TRY(const torch::Tensor tokens, checkpoint.tensor("run.tokens"));
  tokens_ = static_cast<std::uint64_t>(tokens[0].item<std::int64_t>());
  first_tokens_ = tokens_;
  restore_torch_random_state(checkpoint.with_prefix("random."));
  done_ = checkpoint.step;
  return {};
}

Result<void> Run::save() {
  Checkpoint checkpoint;
  checkpoint.step = done_;
  learner_.save(checkpoint);
  checkpoint.add("random.", torch_random_state());
  checkpoint.tensors.emplace_back("run.tokens", torch::tensor({static_cast<std::int64_t>(tokens_)}, torch::kLong));
  checkpoint.texts["config"] = settings_.text;
  checkpoint.texts["data"] = loader_->position();
  checkpoint.texts["controller"] = controller_.save();
  BITMAR_TRY_VOID(log_->flush());
  return store_.save(checkpoint);
}

void Run::obey_controller() {
  const Intervention active = controller_.active();
  AdamW& optimizer = learner_.optimizer();
  optimizer.set_frozen("text-encoder", active == Intervention::kFreezeTextEncoder);
  optimizer.set_frozen("vision", active == Intervention::kFreezeVision);
  if (settings_.model.memory) optimizer.set_frozen("memory", active == Intervention::kFreezeMemory);
}

Result<StepOutcome> Run::step() {
  obey_controller();
  BatchTensors shown;  // by the diagnostics: the step's last batch with photos, else its last
  flops_ = 0;
  stream_losses_.clear();
  for (std::uint32_t part = 0; part < settings_.train.accumulation; ++part) {
    BITMAR_TRY(const Batch batch, loader_->next());
    BatchTensors tensors = batch_tensors(batch, device_);
    StreamLoss& stream = stream_losses_[batch.stream];
    stream.sum += learner_.accumulate(tensors, controller_.contrast_factor());
    ++stream.batches;
    flops_ += learner_.last_flops();
    if (tensors.input.features.defined() || !shown.input.features.defined()) shown = std::move(tensors);
  }
  const std::string request = settings_.train.run + "/" + kDiagnosticsRequest;
  diagnose_now_ = fs::exists(request);
  const std::uint64_t every = settings_.train.diagnostics_every;
  if (diagnose_now_ || (every > 0 && (done_ + 1) % every == 0)) {
    log_gradient_norms(learner_.gradient_norms(), *log_);
    log_quantization(learner_.model(), *log_);
    log_activations(learner_.model(), learner_.contrast(), shown, *log_);
  }
  if (diagnose_now_) fs::remove(request);
  rate_ = learning_rate(settings_.schedule, done_);
  StepOutcome outcome = learner_.apply(rate_);
  ++done_;
  tokens_ += static_cast<std::uint64_t>(outcome.tokens);
  window_tokens_ += static_cast<std::uint64_t>(outcome.tokens);
  return outcome;
}

Result<void> Run::log_step(const StepOutcome& outcome) {
  if (settings_.controller.enabled && outcome.cosine) {
    if (const auto change = controller_.update(done_, *outcome.cosine)) {
      log_->text("controller", intervention_name(*change));
      say(fmt::format("step {}: controller: {}", done_, intervention_name(*change)));
    }
  }
  if (due(settings_.train.log_every)) {
    log_->scalar("loss/total", outcome.total);
    log_->scalar("loss/language", outcome.language);
    for (const auto& [stream, loss] : stream_losses_) {
      log_->scalar("stream/" + settings_.data.train[stream].name + "/loss", loss.sum / loss.batches);
    }
    if (outcome.cosine) {
      log_->scalar("loss/contrast", outcome.contrast);
      log_->scalar("alignment/batch_cosine", *outcome.cosine);
      log_->scalar("alignment/average_cosine", controller_.average());
    }
    if (settings_.model.memory) log_->scalar("loss/memory", outcome.consistency);
    log_->scalar("train/gradient_norm", outcome.gradient_norm);
    log_->scalar("train/learning_rate", rate_);
    log_->scalar("train/tokens", static_cast<double>(tokens_));
    log_->scalar("train/flops_per_step", flops_);
    const double seconds = std::chrono::duration<double>(Clock::now() - window_start_).count();
    log_->scalar("train/tokens_per_second", static_cast<double>(window_tokens_) / std::max(seconds, 1e-9));
    window_start_ = Clock::now();
    window_tokens_ = 0;
  }
  if (!outcome.applied) say(fmt::format("step {}: the gradients are not finite; skipped", done_));
  if (progress_) {
    progress_->update(done_, tokens_ - first_tokens_,
                      fmt::format("loss {:.3f} lm {:.3f}{}", outcome.total, outcome.language,
                                  outcome.cosine ? fmt::format(" cos {:.3f}", *outcome.cosine) : ""));
  }
  return {};
}

Result<void> Run::evaluate() {
  const auto& train = settings_.train;
  for (std::uint32_t stream = 0; stream < settings_.data.validation.size(); ++stream) {
    const std::string& name = settings_.data.validation[stream].name;
    BITMAR_TRY(const StreamEvaluation result,
               evaluate_stream(learner_.model(), *validation_, stream, train.evaluate_batches,
                               settings_.objective.chunk_tokens));
    log_->scalar("validation/" + name + "/loss", result.loss);
    log_->scalar("validation/" + name + "/perplexity", result.perplexity);
    if (result.cosine) log_->scalar("validation/" + name + "/cosine", *result.cosine);
    say(fmt::format("step {}: {}: loss {:.4f}, perplexity {:.2f}{} over {} tokens", done_, name, result.loss,
                    result.perplexity, result.cosine ? fmt::format(", cosine {:.3f}", *result.cosine) : "",
                    result.tokens));
    if (!result.cosine || train.caption_samples == 0) continue;
    BITMAR_TRY(const auto samples,
               caption_samples(learner_.model(), *validation_, stream, train.caption_samples, tokenizer_));
    for (const auto& sample : samples) {
      log_->text("captions/" + sample.image, fmt::format("{} (reference: {})", sample.caption, sample.reference));
      say(fmt::format("  {}: {}  [{}]", sample.image, sample.caption, sample.reference));
    }
  }
  return {};
}

Result<PretrainReport> Run::train() {
  const auto& train = settings_.train;
  const auto start = Clock::now();
  PretrainReport report;
  const auto out_of_time = [&] {
    return train.minutes > 0 && std::chrono::duration<double>(Clock::now() - start).count() >= train.minutes * 60.0;
  };
  bool saved = true;
  while (done_ < train.steps && !out_of_time()) {
    BITMAR_TRY(const StepOutcome outcome, step());
    saved = false;
    if (done_ == train.steps) learner_.optimizer().apply_pending_decay();
    BITMAR_TRY_VOID(log_step(outcome));
    if (validation_ && due(train.evaluate_every)) BITMAR_TRY_VOID(evaluate());
    BITMAR_TRY_VOID(log_->commit(done_));
    if (due(train.checkpoint_every)) {
      BITMAR_TRY_VOID(save());
      saved = true;
    }
    report.loss = outcome.language;
    if (options_.stop_after && done_ >= *options_.stop_after) return report;
  }
  if (!saved) BITMAR_TRY_VOID(save());
  report.steps = done_;
  return report;
}

}  // namespace

Result<PretrainReport> pretrain(const PretrainSettings& settings, const PretrainOptions& options) {
  BITMAR_TRY(const torch::Device device, parse_device(settings.train.device));
  BITMAR_TRY(Tokenizer tokenizer, Tokenizer::from_merges_file(settings.data.merges));
  if (settings.train.threads > 0) at::set_num_threads(static_cast<int>(settings.train.threads));
  torch::manual_seed(settings.train.seed);
  std::vector<std::uint64_t> counts;
  if (settings.objective.sampled_core > 0) {
    BITMAR_TRY(counts, token_counts(settings));
  }
  std::error_code error;
  fs::create_directories(settings.train.run, error);
  if (error) return fail(ErrorCode::kIo, "train.run: cannot create '{}': {}", settings.train.run, error.message());
  try {
    Run run(settings, options, device, counts, std::move(tokenizer));
    BITMAR_TRY_VOID(run.open());
    return run.train();
  } catch (const c10::Error& failure) {
    return fail(ErrorCode::kInvalidArgument, "training failed: {}", failure.what_without_backtrace());
  }
}

}  // namespace bitmar
