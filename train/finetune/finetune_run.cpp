#include "finetune/finetune_run.h"

#include <fmt/format.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <utility>

#include "checkpoint/checkpoint.h"
#include "config/sections.h"
#include "data/fingerprint.h"
#include "finetune/classification_data.h"
#include "finetune/fine_tuner.h"
#include "log/progress.h"
#include "log/run_log.h"
#include "text/tokenizer.h"
#include "torch_headers.h"

namespace bitmar {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr const char* kCourseKey = "course";
constexpr std::uint64_t kLogEvery = 10;  // steps
constexpr std::uint32_t kKeptCheckpoints = 1;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// The pre-trained model that every task starts from.
struct Base {
  Checkpoint checkpoint;
  ModelConfig config;
  std::string fingerprint;
};

Result<Base> open_base(const std::string& path) {
  BITMAR_TRY(Checkpoint checkpoint, open_checkpoint(path));
  BITMAR_TRY(const std::string text, checkpoint.text("config"));
  BITMAR_TRY(ModelConfig config, read_model_config(text, path));
  Fingerprint print;
  for (const auto& [name, tensor] : checkpoint.with_prefix("model.")) {
    print.add_text(name);
    print.add_bytes({static_cast<const std::byte*>(tensor.data_ptr()), static_cast<std::size_t>(tensor.nbytes())});
  }
  return Base{std::move(checkpoint), std::move(config), print.hex()};
}

struct TaskFiles {
  ClassificationData training, validation;
};

Result<TaskFiles> read_files(const ClassificationTask& task, const FineTuneOptions& options,
                             const Tokenizer& tokenizer) {
  const auto read = [&](std::string_view part) {
    return read_classification_data(classification_file(options.data, task, part), task, tokenizer,
                                    options.settings.maximum_tokens, options.settings.limit);
  };
  TaskFiles files;
  BITMAR_TRY(files.training, read("train"));
  BITMAR_TRY(files.validation, read("valid"));
  return files;
}

// All that a result depends on but the number of threads.
std::string describe_course(const ClassificationTask& task, const Base& base, const TaskFiles& files,
                            const FineTuneSettings& s) {
  return fmt::format(
      "{}; model {} step {}; training {} validation {} limit {} tokens {}; seed {}; epochs {}; batch {}; rate {} "
      "warmup {} floor {} scales {}; decay {}; dropout {}; gradient products bf16; memory {}",
      task.name, base.fingerprint, base.checkpoint.step, files.training.fingerprint, files.validation.fingerprint,
      s.limit, s.maximum_tokens, s.seed, s.epochs > 0 ? s.epochs : task.epochs, s.batch > 0 ? s.batch : task.batch,
      s.learning_rate, s.warmup_share, s.floor_ratio, s.scale_learning_rate, s.weight_decay, s.dropout,
      base.config.memory && s.memory);
}

// What differs from the pipeline's.
std::string describe_settings(const FineTuneSettings& s) {
  const FineTuneSettings usual;
  std::string text;
  const auto note = [&](std::string_view name, auto value, auto usual_value) {
    if (value != usual_value) text += fmt::format("{}{} {}", text.empty() ? " but for " : ", ", name, value);
  };
  note("items", s.limit, usual.limit);
  note("epochs", s.epochs, usual.epochs);
  note("batch", s.batch, usual.batch);
  note("learning rate", s.learning_rate, usual.learning_rate);
  note("tokens", s.maximum_tokens, usual.maximum_tokens);
  note("seed", s.seed, usual.seed);
  return "the BabyLM pipeline's settings" + text;
}

Result<void> check_course(const std::string& path, const std::string& then, const std::string& now) {
  if (then == now) return {};
  return fail(ErrorCode::kInvalidArgument,
              "{}: of other settings, files or weights; expected the same, or another output folder\n  then: {}\n  "
              "now:  {}",
              path, then, now);
}

// One task, from its first step or its checkpoint to its result.
class TaskRun {
 public:
  TaskRun(const ClassificationTask& task, const Base& base, TaskFiles files, const FineTuneOptions& options)
      : task_(task),
        options_(options),
        folder_((fs::path(options.output) / task.name).string()),
        course_(describe_course(task, base, files, options.settings)),
        validation_(std::move(files.validation.examples)),
        training_items_(files.training.examples.size()),
        tuner_(base.config, task, options.settings, std::move(files.training.examples)),
        store_(folder_ + "/checkpoints", kKeptCheckpoints) {
    for (const ClassificationExample& example : validation_) gold_.push_back(example.label);
  }

  Result<void> open(const Base& base);
  Result<FineTuneResult> train();

 private:
  Result<void> restore(const Checkpoint& checkpoint);
  Result<void> save();
  void log_step(const FineTuneStep& step);
  void evaluate();
  Result<FineTuneResult> finish();
  [[nodiscard]] std::vector<ClassificationScore> scores(std::span<const std::uint32_t> predictions) const {
    return classification_scores(gold_, predictions, task_.classes, task_.metric, options_.settings.seed);
  }

  const ClassificationTask& task_;
  const FineTuneOptions& options_;
  std::string folder_;
  std::string course_;
  std::vector<ClassificationExample> validation_;
  std::vector<std::uint32_t> gold_;
  std::uint64_t training_items_;
  FineTuner tuner_;
  CheckpointStore store_;
  std::optional<RunLog> log_;
  std::unique_ptr<Progress> progress_;
  // Of the epochs so far.
  std::vector<std::uint32_t> last_, best_;
  double best_value_ = 0;
  std::uint64_t best_epoch_ = 0;  // from 1; 0: none yet
  double earlier_seconds_ = 0;    // before this process
  Clock::time_point start_ = Clock::now();
  std::uint64_t tokens_ = 0;  // of this process
  double epoch_loss_ = 0;     // sum over the steps of the epoch that this process saw
  std::uint64_t epoch_steps_ = 0;
};

Result<void> TaskRun::open(const Base& base) {
  BITMAR_TRY_VOID(tuner_.initialise(base.checkpoint));
  BITMAR_TRY(const auto existing, store_.list());
  std::optional<std::uint64_t> resumed;
  if (!existing.empty()) {
    BITMAR_TRY(const Checkpoint checkpoint, store_.load_latest(false));
    BITMAR_TRY_VOID(restore(checkpoint));
    resumed = tuner_.steps();
  }
  BITMAR_TRY(log_, RunLog::open(folder_ + "/log", resumed));
  if (options_.progress != nullptr) {
    progress_ =
        std::make_unique<Progress>(options_.progress, std::string(task_.name), tuner_.total_steps(), tuner_.steps());
  }
  return {};
}

Result<void> TaskRun::restore(const Checkpoint& checkpoint) {
  BITMAR_TRY(const std::string course, checkpoint.text(kCourseKey));
  BITMAR_TRY_VOID(check_course(folder_ + "/checkpoints", course, course_));
  BITMAR_TRY_VOID(tuner_.restore(checkpoint));
  BITMAR_TRY(const torch::Tensor run, checkpoint.tensor("run"));
  earlier_seconds_ = run[0].item<double>();
  best_epoch_ = static_cast<std::uint64_t>(run[1].item<double>());
  best_value_ = run[2].item<double>();
  if (best_epoch_ == 0) return {};
  BITMAR_TRY(const torch::Tensor best, checkpoint.tensor("best"));
  for (std::int64_t i = 0; i < best.numel(); ++i) best_.push_back(static_cast<std::uint32_t>(best[i].item<int>()));
  return {};
}

Result<void> TaskRun::save() {
  Checkpoint checkpoint;
  tuner_.save(checkpoint);
  checkpoint.texts[kCourseKey] = course_;
  checkpoint.tensors.emplace_back(
      "run", torch::tensor({earlier_seconds_ + seconds_since(start_), static_cast<double>(best_epoch_), best_value_},
                           torch::kFloat64));
  if (best_epoch_ > 0) {
    checkpoint.tensors.emplace_back("best", torch::tensor(std::vector<std::int64_t>(best_.begin(), best_.end())));
  }
  BITMAR_TRY_VOID(log_->flush());
  return store_.save(checkpoint);
}

void TaskRun::log_step(const FineTuneStep& step) {
  tokens_ += step.tokens;
  epoch_loss_ += step.loss;
  ++epoch_steps_;
  if (tuner_.steps() % kLogEvery == 0) {
    log_->scalar("finetune/loss", step.loss);
    log_->scalar("finetune/learning_rate", step.learning_rate);
    log_->scalar("finetune/gradient_norm", step.gradient_norm);
  }
  if (progress_) progress_->update(tuner_.steps(), tokens_, fmt::format("loss {:.3f}", step.loss));
}

void TaskRun::evaluate() {
  const std::uint64_t epoch = tuner_.steps() / tuner_.steps_per_epoch();
  last_ = tuner_.predict(validation_);
  const ConfusionMatrix matrix(gold_, last_, task_.classes);
  const double value = metric_value(task_.metric, matrix);
  if (best_epoch_ == 0 || value > best_value_) {
    best_ = last_;
    best_value_ = value;
    best_epoch_ = epoch;
  }
  log_->scalar("validation/accuracy", accuracy(matrix));
  log_->scalar("validation/f1", f1(matrix));
  if (progress_) progress_->interrupt();
  if (options_.messages) {
    options_.messages(LogLevel::kInfo,
                      fmt::format("{}: epoch {}: training loss {:.4f}, accuracy {:.4f}, F1 {:.4f}", task_.name, epoch,
                                  epoch_loss_ / static_cast<double>(epoch_steps_), accuracy(matrix), f1(matrix)));
  }
  epoch_loss_ = 0;
  epoch_steps_ = 0;
}

Result<FineTuneResult> TaskRun::finish() {
  if (last_.empty()) last_ = tuner_.predict(validation_);  // resumed after the last step
  FineTuneResult result{.task = fmt::format("finetune-{}", task_.name),
                        .items = validation_.size(),
                        .scores = scores(best_),
                        .last_scores = scores(last_),
                        .seconds = earlier_seconds_ + seconds_since(start_),
                        .training_items = training_items_,
                        .epochs = tuner_.total_steps() / tuner_.steps_per_epoch(),
                        .best_epoch = best_epoch_,
                        .course = course_};
  BITMAR_TRY_VOID(write_predictions(folder_ + "/predictions.jsonl", task_.name, gold_, best_));
  BITMAR_TRY_VOID(write_finetune_result(folder_ + "/result.json", result));
  std::error_code error;
  fs::remove_all(folder_ + "/checkpoints", error);
  if (error) return fail(ErrorCode::kIo, "{}/checkpoints: cannot remove it: {}", folder_, error.message());
  return result;
}

Result<FineTuneResult> TaskRun::train() {
  auto saved = Clock::now();
  while (!tuner_.finished()) {
    log_step(tuner_.step());
    const bool epoch_done = tuner_.steps() % tuner_.steps_per_epoch() == 0;
    if (epoch_done) evaluate();
    BITMAR_TRY_VOID(log_->commit(tuner_.steps()));
    if (epoch_done || seconds_since(saved) >= options_.checkpoint_minutes * 60.0) {
      BITMAR_TRY_VOID(save());
      saved = Clock::now();
    }
    if (options_.stop_after && tuner_.steps() >= *options_.stop_after) {
      return fail(ErrorCode::kOutOfRange, "{}: stopped after step {}", task_.name, tuner_.steps());
    }
  }
  return finish();
}

Result<FineTuneResult> run_task(const ClassificationTask& task, const Base& base, TaskFiles files,
                                const FineTuneOptions& options) {
  const std::string path = fmt::format("{}/{}/result.json", options.output, task.name);
  BITMAR_TRY(std::optional<FineTuneResult> earlier, read_finetune_result(path));
  if (earlier) {
    BITMAR_TRY_VOID(check_course(path, earlier->course, describe_course(task, base, files, options.settings)));
    return *std::move(earlier);
  }
  try {
    TaskRun run(task, base, std::move(files), options);
    BITMAR_TRY_VOID(run.open(base));
    return run.train();
  } catch (const c10::Error& failure) {
    return fail(ErrorCode::kInvalidArgument, "{}: {}", task.name, failure.what_without_backtrace());
  } catch (const std::runtime_error& failure) {
    return fail(ErrorCode::kInvalidArgument, "{}: {}", task.name, failure.what());
  }
}

}  // namespace

Result<std::vector<FineTuneResult>> finetune(std::span<const ClassificationTask> tasks,
                                             const FineTuneOptions& options) {
  if (options.threads > 0) torch::set_num_threads(static_cast<int>(options.threads));
  at::globalContext().setFlushDenormal(true);
  BITMAR_TRY(const Tokenizer tokenizer, Tokenizer::from_merges_file(options.merges));
  std::vector<TaskFiles> files;
  for (const ClassificationTask& task : tasks) {
    BITMAR_TRY(TaskFiles read, read_files(task, options, tokenizer));
    files.push_back(std::move(read));
  }
  BITMAR_TRY(const Base base, open_base(options.checkpoint));
  if (tokenizer.vocabulary_size() != base.config.vocabulary) {
    return fail(ErrorCode::kInvalidArgument, "{}: makes {} tokens, the model of {} has {}", options.merges,
                tokenizer.vocabulary_size(), options.checkpoint, base.config.vocabulary);
  }
  if (!base.config.memory && !options.settings.memory) {
    return fail(ErrorCode::kInvalidArgument, "{}: has no memory to be left out; expected no --no-memory",
                options.checkpoint);
  }
  const FineTuneBase described = {.checkpoint = options.checkpoint,
                                  .step = base.checkpoint.step,
                                  .weights = base.fingerprint,
                                  .settings = describe_settings(options.settings),
                                  .memory = options.settings.memory};
  std::vector<FineTuneResult> results;
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    BITMAR_TRY(FineTuneResult result, run_task(tasks[i], base, std::move(files[i]), options));
    results.push_back(std::move(result));
    BITMAR_TRY_VOID(write_finetune_results(options.output + "/results.json", described, results));
  }
  return results;
}

}  // namespace bitmar
