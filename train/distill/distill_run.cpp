#include "distill/distill_run.h"

#include <fmt/format.h>

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>

#include "checkpoint/checkpoint.h"
#include "distill/distiller.h"
#include "distill/photo_set.h"
#include "export/tower_export.h"
#include "io/safetensors.h"
#include "log/progress.h"
#include "log/run_log.h"
#include "nn/vision_transformer_weights.h"

namespace bitmar {
namespace {

using Clock = std::chrono::steady_clock;

Result<VisionTransformer> load_teacher(const DistillSettings& settings) {
  BITMAR_TRY(const SafeTensorsFile file, SafeTensorsFile::open(settings.teacher));
  VisionTowerConfig config = settings.student;
  config.precision = TowerPrecision::kFloat32;
  VisionTransformer teacher(config);
  BITMAR_TRY_VOID(load_timm_weights(file, *teacher));
  return teacher;
}

Result<void> resume_or_start(const CheckpointStore& store, const DistillRunOptions& options,
                             const DistillSettings& settings, Distiller& distiller) {
  if (options.resume) {
    BITMAR_TRY(const Checkpoint checkpoint, store.load_latest(false));
    return distiller.restore(checkpoint);
  }
  BITMAR_TRY(const auto existing, store.list());
  if (!existing.empty()) {
    return fail(ErrorCode::kInvalidArgument, "{}: holds checkpoints already; expected --resume or another run folder",
                settings.run);
  }
  if (settings.init_from.empty()) return {};
  BITMAR_TRY(const VisionTransformer earlier, load_exported_tower(settings.init_from));
  if (const auto started = distiller.initialise(earlier); !started) {
    return fail(started.error().code, "distill.init_from: {}: {}", settings.init_from, started.error().message);
  }
  return {};
}

void log_step(const DistillStep& step, double photos_per_second, RunLog& log) {
  log.scalar("loss/total", step.total);
  log.scalar("loss/smooth_l1", step.smooth_l1);
  log.scalar("loss/residual", step.residual);
  log.scalar("distill/training_cosine", step.cosine);
  log.scalar("optimizer/learning_rate", step.learning_rate);
  log.scalar("optimizer/gradient_norm", step.gradient_norm);
  log.scalar("speed/photos_per_second", photos_per_second);
}

class Run {
 public:
  Run(const DistillSettings& settings, const DistillRunOptions& options, Distiller& distiller, CheckpointStore store,
      RunLog log)
      : settings_(settings), options_(options), distiller_(distiller), store_(std::move(store)), log_(std::move(log)) {}

  Result<double> train() {
    const std::uint64_t first = distiller_.steps();
    std::optional<Progress> progress;
    if (options_.progress != nullptr) {
      progress.emplace(options_.progress, "distill", settings_.steps, first);
    }
    const auto start = Clock::now();
    auto saved = start;
    while (!distiller_.finished()) {
      const DistillStep step = distiller_.step();
      const std::uint64_t done = distiller_.steps();
      const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
      const double rate = static_cast<double>((done - first) * settings_.batch) / seconds;
      if (done % settings_.log_every == 0) log_step(step, rate, log_);
      if (progress) {
        progress->update(done, 0,
                         fmt::format("{:.2f} photos/s  loss {:.4f}  cosine {:.4f}", rate, step.total, step.cosine));
      }
      if (done % settings_.evaluate_every == 0 || distiller_.finished()) {
        if (progress) progress->interrupt();
        evaluate();
      }
      BITMAR_TRY_VOID(log_.commit(done));
      const double minutes = std::chrono::duration<double, std::ratio<60>>(Clock::now() - saved).count();
      if (minutes >= settings_.checkpoint_minutes || distiller_.finished()) {
        BITMAR_TRY_VOID(log_.flush());
        BITMAR_TRY_VOID(store_.save(distiller_.checkpoint()));
        saved = Clock::now();
      }
    }
    return cosine_ ? *cosine_ : distiller_.evaluate();
  }

 private:
  void evaluate() {
    cosine_ = distiller_.evaluate();
    const double zeros = distiller_.student()->zero_fraction();
    log_.scalar("distill/validation_cosine", *cosine_);
    log_.scalar("quantization/zero_fraction", zeros);
    if (options_.messages) {
      options_.messages(LogLevel::kInfo,
                        fmt::format("step {}: cosine {:.4f} on {} validation photos, {:.1f} % zeros",
                                    distiller_.steps(), *cosine_, settings_.validation_photos, 100.0 * zeros));
    }
  }

  const DistillSettings& settings_;
  const DistillRunOptions& options_;
  Distiller& distiller_;
  CheckpointStore store_;
  RunLog log_;
  std::optional<double> cosine_;
};

}  // namespace

Result<double> run_distillation(const DistillSettings& settings, const DistillRunOptions& options) {
  if (settings.threads > 0) torch::set_num_threads(static_cast<int>(settings.threads));
  at::globalContext().setFlushDenormal(true);
  const auto threads = static_cast<std::uint32_t>(torch::get_num_threads());
  BITMAR_TRY(VisionTransformer teacher, load_teacher(settings));
  BITMAR_TRY(const PhotoSet training, PhotoSet::load(settings.photos, settings.training_list, settings.training_photos,
                                                     settings.student, threads));
  BITMAR_TRY(const PhotoSet validation, PhotoSet::load(settings.photos, settings.validation_list,
                                                       settings.validation_photos, settings.student, threads));
  Distiller distiller(settings, std::move(teacher), training, validation);
  CheckpointStore store((std::filesystem::path(settings.run) / "checkpoints").string(), settings.keep_checkpoints);
  BITMAR_TRY_VOID(resume_or_start(store, options, settings, distiller));
  const auto resumed = options.resume ? std::optional(distiller.steps()) : std::nullopt;
  BITMAR_TRY(RunLog log, RunLog::open((std::filesystem::path(settings.run) / "log").string(), resumed));
  return Run(settings, options, distiller, std::move(store), std::move(log)).train();
}

}  // namespace bitmar
