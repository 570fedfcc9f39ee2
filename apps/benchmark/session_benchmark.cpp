#include "apps/benchmark/session_benchmark.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <utility>

#include "apps/benchmark/workload.h"
#include "base/random.h"
#include "base/stopwatch.h"
#include "kernels/ops.h"
#include "runtime/caption.h"
#include "runtime/image_encoder.h"

namespace bitmar {
namespace {

// A context that has filled every window is at least so long.
constexpr std::size_t kLongContext = 1100;
constexpr std::size_t kBeyondWindow = 76;
// Patch features of a model without a tower.
constexpr std::size_t kPatches = 256;
constexpr double kEnergyMicroseconds = 1e6;

std::size_t full_context(const ModelConfig& config) {
  return std::max(kLongContext, config.cache_tokens() + kBeyondWindow);
}

TokenTimes token_times(std::size_t tokens, std::span<const double> samples) {
  return {tokens, summarize(samples)};
}

template <std::size_t N>
std::array<double, N> medians(const std::array<std::vector<double>, N>& samples) {
  std::array<double, N> result{};
  for (std::size_t i = 0; i < N; ++i) result[i] = summarize(samples[i]).median;
  return result;
}

}  // namespace

Result<SessionBenchmark> SessionBenchmark::open(const std::shared_ptr<const Engine>& engine,
                                                const BenchmarkOptions& options, const BenchmarkPhoto& photo,
                                                std::size_t threads, MemoryMode mode) {
  const SessionOptions usual{mode, threads};
  BITMAR_TRY(Session text, Session::open(engine, usual));
  BITMAR_TRY(Session image, Session::open(engine, usual));
  BITMAR_TRY(Session no_memory, Session::open(engine, {MemoryMode::kOff, threads}));
  BITMAR_TRY(Session full, Session::open(engine, usual));
  SessionBenchmark benchmark(options, photo, threads, mode, prompt_tokens(*engine, options.prefill_tokens),
                             std::move(text), std::move(image), std::move(no_memory), std::move(full));
  if (engine->tower() != nullptr) benchmark.vision_ = std::make_unique<VisionWorkspace>(*engine->tower());
  for (Session* session : {&benchmark.image_, &benchmark.no_memory_, &benchmark.full_}) {
    BITMAR_TRY_VOID(benchmark.set_image(*session));
  }
  benchmark.full_window_context_ = full_context(engine->config());
  BITMAR_TRY_VOID(benchmark.full_.prefill(prompt_tokens(*engine, benchmark.full_window_context_)));
  BITMAR_TRY_VOID(benchmark.run_round());
  benchmark.samples_ = {};
  return benchmark;
}

Result<void> SessionBenchmark::set_image(Session& session) {
  if (session.engine().tower() != nullptr) return session.set_image(photo_->image);
  Random random(1);
  const std::size_t width = session.engine().config().vision_width;
  std::vector<float> features(kPatches * width);
  for (float& feature : features) feature = static_cast<float>(random.normal());
  return session.set_features({features, kPatches, width});
}

Result<void> SessionBenchmark::run_round() {
  BITMAR_TRY_VOID(run_prefill());
  const GenerateOptions greedy = greedy_options(options_.decode_tokens);
  BITMAR_TRY_VOID(run_decode(image_, true, greedy, samples_.decode));
  BITMAR_TRY_VOID(run_decode(image_, true, sampling_options(options_.decode_tokens), samples_.sampling));
  if (image_.engine().memory() != nullptr && mode_ != MemoryMode::kOff) {
    BITMAR_TRY_VOID(run_decode(no_memory_, true, greedy, samples_.no_memory));
  }
  BITMAR_TRY_VOID(run_decode(full_, false, greedy, samples_.full_window));
  if (vision_ != nullptr) BITMAR_TRY_VOID(run_photo());
  if (options_.stages) {
    BITMAR_TRY_VOID(run_stages(image_, true, samples_.short_stages));
    BITMAR_TRY_VOID(run_stages(full_, false, samples_.full_stages));
  }
  return {};
}

Result<void> SessionBenchmark::run_prefill() {
  text_.reset();
  Stopwatch watch;
  BITMAR_TRY_VOID(text_.prefill(prompt_));
  samples_.prefill.push_back(watch.lap());
  return {};
}

Result<void> SessionBenchmark::run_decode(Session& session, bool new_context, const GenerateOptions& options,
                                          std::vector<double>& samples) {
  if (new_context) session.reset();
  BITMAR_TRY(const Generation result, generate(session, std::span<const TokenId>(), options));
  samples.push_back(result.generation_seconds * 1e6);
  return {};
}

Result<void> SessionBenchmark::run_photo() {
  const VisionTower& tower = *image_.engine().tower();
  Stopwatch watch;
  if (!photo_->encoded.empty()) {
    BITMAR_TRY_VOID(decode_image(photo_->encoded, photo_->name));
    samples_.photo_decode.push_back(watch.lap());
  }
  const std::vector<float> pixels = tower_input(photo_->image, tower.config());
  samples_.photo_fit.push_back(watch.lap());
  std::vector<float> features(tower.config().patches() * std::size_t{tower.config().feature_width()});
  const MatrixView<float> view{features, tower.config().patches(), tower.config().feature_width()};
  watch.lap();
  tower.encode(pixels, view, *vision_, pool_.get());
  samples_.tower.push_back(watch.lap());
  BITMAR_TRY_VOID(image_.set_image(photo_->image));
  BITMAR_TRY(const Caption result, bitmar::caption(image_, {.beam = {.width = kCaptionBeam}}));
  samples_.caption.push_back(watch.lap());
  caption_tokens_ = result.ids.size();
  return {};
}

Result<void> SessionBenchmark::run_stages(Session& session, bool new_context, StageSamples& samples) {
  if (new_context) {
    session.reset();
    const TokenId first = session.engine().tokenizer().end_of_text();
    BITMAR_TRY_VOID(session.read({&first, 1}));
  }
  StageClock clock;
  session.set_stage_clock(&clock);
  TokenId token = session.most_likely();
  clock.start();
  for (std::size_t i = 0; i < options_.decode_tokens; ++i) {
    const auto read = session.read({&token, 1});
    if (!read) {
      session.set_stage_clock(nullptr);
      return std::unexpected(read.error());
    }
    token = session.most_likely();
    clock.tick(Stage::kHead);
  }
  session.set_stage_clock(nullptr);
  for (std::size_t stage = 0; stage < samples.size(); ++stage) {
    const std::chrono::duration<double, std::micro> total = clock.total(static_cast<Stage>(stage));
    samples[stage].push_back(total.count() / static_cast<double>(options_.decode_tokens));
  }
  return {};
}

Result<void> SessionBenchmark::measure_energy(EnergyMeter& meter) {
  std::vector<double> microseconds;
  BITMAR_TRY_VOID(meter.lap());
  for (double total = 0; total < kEnergyMicroseconds; total += microseconds.back()) {
    BITMAR_TRY_VOID(run_decode(image_, true, greedy_options(options_.decode_tokens), microseconds));
  }
  BITMAR_TRY(const double joules, meter.lap());
  joules_per_token_ = joules / static_cast<double>(microseconds.size() * options_.decode_tokens);
  return {};
}

ThreadReport SessionBenchmark::report() const {
  const std::size_t tokens = options_.decode_tokens;
  ThreadReport report;
  report.threads = threads_;
  report.prefill = token_times(prompt_.size(), samples_.prefill);
  report.decode = token_times(tokens, samples_.decode);
  report.sampling = token_times(tokens, samples_.sampling);
  if (!samples_.no_memory.empty()) report.no_memory = token_times(tokens, samples_.no_memory);
  report.full_window = token_times(tokens, samples_.full_window);
  report.full_window_context = full_window_context_;
  if (!samples_.tower.empty()) {
    report.photo = PhotoTimes{{}, summarize(samples_.photo_fit), summarize(samples_.tower)};
    if (!samples_.photo_decode.empty()) report.photo->decode = summarize(samples_.photo_decode);
    report.caption = CaptionTimes{kCaptionBeam, caption_tokens_, summarize(samples_.caption)};
  }
  if (options_.stages) report.stages = StageTimes{medians(samples_.short_stages), medians(samples_.full_stages)};
  report.joules_per_token = joules_per_token_;
  return report;
}

}  // namespace bitmar
