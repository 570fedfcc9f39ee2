#include "pretrain/pretrain.h"

#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "export/model_export.h"
#include "io/atomic_file.h"
#include "log/progress.h"
#include "log/run_log.h"
#include "parallel/step_share.h"
#include "pretrain/caption_practice.h"
#include "pretrain/diagnostics.h"
#include "pretrain/learner.h"
#include "pretrain/replicas.h"
#include "pretrain/run_parts.h"
#include "pretrain/step_averages.h"
#include "pretrain/validation.h"
#include "text/tokenizer.h"

namespace bitmar {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

// A file of this name in the run's folder asks for diagnostics at the next step.
constexpr const char* kDiagnosticsRequest = "diagnose";

class Run {
 public:
  Run(const PretrainSettings& settings, const PretrainOptions& options, Communicator& group, torch::Device device,
      const std::vector<std::uint64_t>& counts, Tokenizer tokenizer)
      : settings_(settings),
        options_(options),
        group_(group),
        device_(device),
        learner_(settings, device, counts),
        controller_(settings.controller),
        averages_(settings),
        store_(settings.train.run + "/checkpoints", settings.train.keep_checkpoints),
        tokenizer_(std::move(tokenizer)) {}

  Result<void> open();
  Result<PretrainReport> train();

 private:
  Result<void> open_data();
  Result<void> open_run();
  Result<void> restore(const Checkpoint& checkpoint);
  Result<void> synchronise();
  Checkpoint snapshot() const;
  Result<StepOutcome> step();
  void diagnose(const BatchTensors& batch);
  void finish_step(const StepOutcome& outcome);
  void log_step(const StepOutcome& outcome);
  Result<void> save();
  void obey_controller();
  void advise();
  void say(const std::string& message);
  bool due(std::uint64_t every) const { return every > 0 && (done_ % every == 0 || done_ == settings_.train.steps); }

  const PretrainSettings& settings_;
  const PretrainOptions& options_;
  Communicator& group_;
  StepShare share_;
  torch::Device device_;
  Learner learner_;
  AdaptiveController controller_;
  StepAverages averages_;
  CheckpointStore store_;
  Tokenizer tokenizer_;
  std::unique_ptr<BatchLoader> loader_, validation_;
  std::optional<CaptionPractice> practice_;
  std::unique_ptr<RunLog> log_;
  std::unique_ptr<Progress> progress_;
  std::uint64_t done_ = 0;          // steps
  std::uint64_t tokens_ = 0;        // predicted tokens, of the whole run
  std::uint64_t first_tokens_ = 0;  // of them before this process
  double rate_ = 0;                 // of the last step
  Clock::time_point window_start_ = Clock::now();
  std::uint64_t window_tokens_ = 0;
  std::optional<std::uint64_t> saved_;  // the step of the newest checkpoint
};

void Run::say(const std::string& message) {
  if (progress_) progress_->interrupt();
  if (options_.messages && group_.leads()) options_.messages(LogLevel::kInfo, message);
}

Result<void> Run::open_data() {
  BITMAR_TRY(share_, StepShare::of(group_.rank(), group_.size(), settings_.train.accumulation));
  BITMAR_TRY(loader_, BatchLoader::open(settings_.data, settings_.data.train, false));
  BITMAR_TRY(practice_, CaptionPractice::open(settings_.data, *loader_, tokenizer_));
  if (!group_.leads()) {
    loader_->read_features_of(share_);  // rank 0 needs all for its diagnostics
  } else if (!settings_.data.validation.empty()) {
    BITMAR_TRY(validation_, BatchLoader::open(settings_.data, settings_.data.validation, true));
  }
  return {};
}

// Rank 0's: the run's folder, and where the run stands.
Result<void> Run::open_run() {
  const auto& train = settings_.train;
  std::error_code error;
  fs::create_directories(train.run, error);
  if (error) return fail(ErrorCode::kIo, "train.run: cannot create '{}': {}", train.run, error.message());
  BITMAR_TRY(const auto existing, store_.list());
  if (!options_.resume && !existing.empty()) {
    return fail(ErrorCode::kInvalidArgument,
                "train.run: '{}' has checkpoints already; pass --resume, or choose another", train.run);
  }
  if (!existing.empty()) {
    std::vector<Error> skipped;
    BITMAR_TRY(const Checkpoint checkpoint, store_.load_latest(true, &skipped));
    for (const auto& each : skipped) say("passed over a damaged checkpoint: " + each.message);
    BITMAR_TRY_VOID(restore(checkpoint));
    saved_ = done_;
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
  BITMAR_TRY(RunLog log, RunLog::open(train.run + "/log", saved_));
  log_ = std::make_unique<RunLog>(std::move(log));
  if (options_.progress != nullptr) {
    progress_ = std::make_unique<Progress>(options_.progress, "train", train.steps, done_);
  }
  return {};
}

Result<void> Run::open() {
  BITMAR_TRY_VOID(group_.agree(open_data()));
  BITMAR_TRY_VOID(group_.agree(group_.leads() ? open_run() : Result<void>()));
  BITMAR_TRY_VOID(synchronise());
  std::uint64_t resumed = saved_.has_value() ? 1 : 0;
  group_.broadcast(std::as_writable_bytes(std::span(&resumed, 1)));
  if (resumed != 0) saved_ = done_;
  advise();
  if (group_.size() > 1) {
    say(fmt::format("{} processes train together, each {} of a step's {} batches", group_.size(),
                    settings_.train.accumulation % group_.size() == 0
                        ? fmt::format("{}", settings_.train.accumulation / group_.size())
                        : fmt::format("at most {}", settings_.train.accumulation / group_.size() + 1),
                    settings_.train.accumulation));
  }
  return {};
}

// The others take over where rank 0 stands.
Result<void> Run::synchronise() {
  if (group_.size() == 1) return {};
  Checkpoint state = snapshot();
  broadcast_checkpoint(state, group_);
  return group_.agree(group_.leads() ? Result<void>() : restore(state));
}

void Run::advise() {
  const std::string step = saved_ ? fmt::format("The newest checkpoint is step {}'s: the same command with --resume "
                                                "goes on from it, on any number of processes",
                                                *saved_)
                                  : "There is no checkpoint yet: start again";
  group_.set_advice(fmt::format("{} ({})", step, settings_.train.run));
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
  if (const auto averages = checkpoint.tensor("run.averages")) {  // not in checkpoints of earlier versions
    BITMAR_TRY_VOID(averages_.restore(*averages));
  }
  done_ = checkpoint.step;
  return {};
}

Checkpoint Run::snapshot() const {
  Checkpoint checkpoint;
  checkpoint.step = done_;
  learner_.save(checkpoint);
  checkpoint.tensors.emplace_back("run.tokens", torch::tensor({static_cast<std::int64_t>(tokens_)}, torch::kLong));
  checkpoint.tensors.emplace_back("run.averages", averages_.state());
  checkpoint.texts["config"] = settings_.text;
  checkpoint.texts["data"] = loader_->position();
  checkpoint.texts["controller"] = controller_.save();
  return checkpoint;
}

Result<void> Run::save() {
  const Checkpoint checkpoint = snapshot();
  if (group_.size() > 1 && !equal_replicas(checkpoint, group_)) {
    say(fmt::format("step {}: the processes' weights had parted by rounding; all take rank 0's", done_));
    BITMAR_TRY_VOID(synchronise());
  }
  if (group_.leads()) {
    BITMAR_TRY_VOID(log_->flush());
    BITMAR_TRY_VOID(store_.save(checkpoint));
  }
  group_.barrier();
  saved_ = done_;
  advise();
  return {};
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
  const std::string request = settings_.train.run + "/" + kDiagnosticsRequest;
  const bool requested = group_.leads() && fs::exists(request);
  const std::uint64_t every = settings_.train.diagnostics_every;
  const bool diagnosed = group_.leads() && (requested || (every > 0 && (done_ + 1) % every == 0));
  BatchTensors shown;  // by the diagnostics: the step's last batch with photos, else its last
  for (std::uint32_t part = 0; part < settings_.train.accumulation; ++part) {
    BITMAR_TRY(const Batch batch, loader_->next());
    if (diagnosed && (batch.feature_tokens > 0 || !shown.input.features.defined())) {
      shown = batch_tensors(batch, device_);
    }
    if (share_.owns(part)) {
      learner_.accumulate(practice_->tensors(batch, learner_.model(), learner_.batch_seed(), device_),
                          controller_.contrast_factor());
    } else {
      learner_.pass_over();
    }
  }
  learner_.exchange(group_);
  if (diagnosed) diagnose(shown);
  if (requested) fs::remove(request);
  rate_ = learning_rate(settings_.schedule, done_);
  StepOutcome outcome = learner_.apply(rate_);
  ++done_;
  tokens_ += static_cast<std::uint64_t>(outcome.tokens);
  window_tokens_ += static_cast<std::uint64_t>(outcome.tokens);
  return outcome;
}

void Run::diagnose(const BatchTensors& batch) {
  log_gradient_norms(learner_.gradient_norms(), *log_);
  log_quantization(learner_.model(), *log_);
  log_activations(learner_.model(), learner_.contrast(), batch, *log_);
}

// What every process does; rank 0 also tells.
void Run::finish_step(const StepOutcome& outcome) {
  if (settings_.controller.enabled && outcome.cosine) {
    if (const auto change = controller_.update(done_, *outcome.cosine); change && group_.leads()) {
      log_->text("controller", intervention_name(*change));
      say(fmt::format("step {}: controller: {}", done_, intervention_name(*change)));
    }
  }
  if (group_.leads()) log_step(outcome);
}

void Run::log_step(const StepOutcome& outcome) {
  averages_.add(outcome);
  if (due(settings_.train.log_every)) {
    averages_.log(*log_);
    if (controller_.started()) log_->scalar("alignment/average_cosine", controller_.average());
    log_->scalar("train/learning_rate", rate_);
    log_->scalar("train/tokens", static_cast<double>(tokens_));
    const double seconds = std::chrono::duration<double>(Clock::now() - window_start_).count();
    log_->scalar("train/tokens_per_second", static_cast<double>(window_tokens_) / std::max(seconds, 1e-9));
    window_start_ = Clock::now();
    window_tokens_ = 0;
  }
  if (!outcome.applied) say(fmt::format("step {}: the gradients are not finite; skipped", done_));
  if (progress_) {
    progress_->update(done_, tokens_ - first_tokens_,
                      fmt::format("loss {:.3f}{}{}{}", outcome.total,
                                  outcome.language ? fmt::format(" lm {:.3f}", *outcome.language) : "",
                                  outcome.reward ? fmt::format(" reward {:.3f}", *outcome.reward) : "",
                                  outcome.cosine ? fmt::format(" cos {:.3f}", *outcome.cosine) : ""));
  }
}

Result<PretrainReport> Run::train() {
  const auto& train = settings_.train;
  const auto start = Clock::now();
  PretrainReport report;
  const auto out_of_time = [&] {
    if (train.minutes <= 0) return false;
    const std::chrono::duration<double, std::ratio<60>> minutes = Clock::now() - start;
    double over = group_.leads() && minutes.count() >= train.minutes ? 1.0 : 0.0;
    group_.sum(std::span(&over, 1));  // by rank 0's clock
    return over > 0;
  };
  bool saved = true;
  while (done_ < train.steps && !out_of_time()) {
    BITMAR_TRY(const StepOutcome outcome, step());
    saved = false;
    if (done_ == train.steps) learner_.optimizer().apply_pending_decay();
    finish_step(outcome);
    if (validation_ && due(train.evaluate_every)) {
      const auto tell = [&](const std::string& line) { say(fmt::format("step {}: {}", done_, line)); };
      BITMAR_TRY_VOID(log_validation(learner_.model(), settings_, *validation_, tokenizer_, *log_, tell));
    }
    if (log_) BITMAR_TRY_VOID(log_->commit(done_));
    if (due(train.checkpoint_every)) {
      BITMAR_TRY_VOID(save());
      saved = true;
    }
    report.loss = outcome.language.value_or(report.loss);
    if (options_.stop_after && done_ >= *options_.stop_after) return report;
  }
  if (!saved) BITMAR_TRY_VOID(save());
  report.steps = done_;
  return report;
}

}  // namespace

Result<PretrainReport> pretrain(const PretrainSettings& settings, const PretrainOptions& options) {
  SingleProcess alone;
  Communicator& group = options.communicator != nullptr ? *options.communicator : alone;
  try {
    BITMAR_TRY_VOID(agree_on(settings.text, "the configuration", group));
    auto parts = prepare_parts(settings, group.local_rank());
    BITMAR_TRY_VOID(group.agree(parts));
    Run run(settings, options, group, parts->device, parts->counts, std::move(parts->tokenizer));
    BITMAR_TRY_VOID(run.open());
    return run.train();
  } catch (const c10::Error& failure) {
    return fail(ErrorCode::kInvalidArgument, "training failed: {}", failure.what_without_backtrace());
  } catch (const CommunicationError& failure) {
    return fail(ErrorCode::kIo, "training stopped: {}", failure.what());
  }
}

}  // namespace bitmar
