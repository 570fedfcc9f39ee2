// The speed of one engine with one number of threads. A round runs each measurement once, so that a disturbance of the
// machine meets all of them alike.
//
//   BITMAR_TRY(SessionBenchmark benchmark, SessionBenchmark::open(engine, options, photo, threads));
//   for (...) BITMAR_TRY_VOID(benchmark.run_round());
//   const ThreadReport report = benchmark.report();
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

#include "apps/benchmark/energy_meter.h"
#include "apps/benchmark/options.h"
#include "apps/benchmark/photo.h"
#include "apps/benchmark/report.h"
#include "base/thread_pool.h"
#include "runtime/generator.h"

namespace bitmar {

class SessionBenchmark {
 public:
  // Opens the sessions, fills a window, and runs everything once untimed. `photo` outlives this.
  static Result<SessionBenchmark> open(const std::shared_ptr<const Engine>& engine, const BenchmarkOptions& options,
                                       const BenchmarkPhoto& photo, std::size_t threads, MemoryMode mode);

  Result<void> run_round();
  // Energy of decoding, over a second or more. Call it after the rounds.
  Result<void> measure_energy(EnergyMeter& meter);
  // After at least one round; without the start times.
  [[nodiscard]] ThreadReport report() const;

 private:
  using StageSamples = std::array<std::vector<double>, kStageNames.size()>;
  struct Samples {
    std::vector<double> prefill, decode, sampling, no_memory, full_window, photo_decode, photo_fit, tower, caption;
    StageSamples short_stages, full_stages;
  };

  SessionBenchmark(const BenchmarkOptions& options, const BenchmarkPhoto& photo, std::size_t threads, MemoryMode mode,
                   std::vector<TokenId> prompt, Session text, Session image, Session no_memory, Session full)
      : options_(options),
        photo_(&photo),
        threads_(threads),
        mode_(mode),
        prompt_(std::move(prompt)),
        text_(std::move(text)),
        image_(std::move(image)),
        no_memory_(std::move(no_memory)),
        full_(std::move(full)),
        pool_(std::make_unique<ThreadPool>(threads)) {}

  Result<void> set_image(Session& session);
  Result<void> run_prefill();
  // Generates in a new context, or goes on where the context is.
  Result<void> run_decode(Session& session, bool new_context, const GenerateOptions& options,
                          std::vector<double>& samples);
  Result<void> run_photo();
  Result<void> run_stages(Session& session, bool new_context, StageSamples& samples);

  BenchmarkOptions options_;
  const BenchmarkPhoto* photo_;
  std::size_t threads_;
  MemoryMode mode_;
  std::vector<TokenId> prompt_;
  Session text_;   // without an image
  Session image_;  // with it, as the following two
  Session no_memory_;
  Session full_;                      // its context fills the window
  std::unique_ptr<ThreadPool> pool_;  // the tower's
  std::unique_ptr<VisionWorkspace> vision_;
  std::size_t full_window_context_ = 0;
  std::size_t caption_tokens_ = 0;
  std::optional<double> joules_per_token_;
  Samples samples_;
};

}  // namespace bitmar
