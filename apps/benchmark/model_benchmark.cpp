#include "apps/benchmark/model_benchmark.h"

#include <algorithm>
#include <utility>

#include "apps/benchmark/child_process.h"
#include "apps/benchmark/process_benchmark.h"
#include "apps/benchmark/session_benchmark.h"

namespace bitmar {
namespace {

constexpr std::size_t kMaximumTokens = 65536;
constexpr std::size_t kMaximumRepetitions = 10000;
// Above this a machine is taken to be busy with something else.
constexpr double kQuietSpread = 0.10;

Result<void> check_range(std::string_view name, std::size_t value, std::size_t maximum) {
  if (value >= 1 && value <= maximum) return {};
  return fail(ErrorCode::kOutOfRange, "{} is {}; expected 1 to {}", name, value, maximum);
}

Result<void> check(const BenchmarkOptions& options) {
  BITMAR_TRY_VOID(check_range("prefill tokens", options.prefill_tokens, kMaximumTokens));
  BITMAR_TRY_VOID(check_range("decode tokens", options.decode_tokens, kMaximumTokens));
  BITMAR_TRY_VOID(check_range("repetitions", options.repetitions, kMaximumRepetitions));
  if (options.threads.empty()) return fail(ErrorCode::kOutOfRange, "no number of threads; expected at least one");
  return {};
}

// In a process of its own, so that this one stays as it started. Also brings the files into the page cache.
Result<bool> has_tower(const BenchmarkOptions& options) {
  BITMAR_TRY(const std::vector<double> answer, measure_in_child([&]() -> Result<std::vector<double>> {
               BITMAR_TRY(const auto engine, Engine::open(options.model, options.engine));
               return std::vector<double>{engine->tower() != nullptr ? 1.0 : 0.0};
             }));
  return answer.at(0) != 0;
}

struct Starts {
  StartTimes text;
  std::optional<StartTimes> caption;
};

void add_warnings(BenchmarkReport& report) {
  if (report.machine.build != "Release") {
    report.warnings.push_back(
        fmt::format("a {} build: its times say nothing about a Release build's", report.machine.build));
  }
  double worst = 0;
  for (const ThreadReport& run : report.runs) {
    for (const TokenTimes& times : {run.prefill, run.decode, run.sampling, run.full_window}) {
      worst = std::max(worst, times.microseconds.spread());
    }
    if (run.threads > report.machine.cores) {
      report.warnings.push_back(fmt::format("{} threads on {} cores", run.threads, report.machine.cores));
    }
  }
  if (worst > kQuietSpread) {
    report.warnings.push_back(
        fmt::format("the middle run took up to {:.0f} % longer than the best: the machine seems busy, compare minima",
                    100 * worst));
  }
}

}  // namespace

Result<BenchmarkReport> benchmark_model(const BenchmarkOptions& options, const BenchmarkProgress& progress) {
  BITMAR_TRY_VOID(check(options));
  BenchmarkReport report;
  report.machine = describe_machine();
  report.model = options.model;
  report.repetitions = options.repetitions;
  const std::size_t steps = 2 + options.threads.size() + options.repetitions;
  auto advance = [&, done = std::size_t{0}]() mutable {
    if (progress) progress(++done, steps);
  };

  // First what forks: this process has touched nothing yet and has no threads.
  BITMAR_TRY(const bool tower, has_tower(options));
  advance();
  std::vector<Starts> starts;
  for (const std::size_t threads : options.threads) {
    Starts& start = starts.emplace_back();
    BITMAR_TRY(start.text, measure_start(options, threads, false));
    if (tower) {
      BITMAR_TRY(start.caption, measure_start(options, threads, true));
    }
    advance();
  }

  BITMAR_TRY(const auto engine, open_measured(options, MemoryMode::kReadOnly, report.memory));
  BITMAR_TRY(const BenchmarkPhoto photo, BenchmarkPhoto::load(options.photo));
  report.isa = engine->kernels().name;
  report.photo = tower ? photo.name : "";
  std::vector<SessionBenchmark> benchmarks;  // of each number of threads; then the same without memory
  for (const MemoryMode mode : {MemoryMode::kReadOnly, MemoryMode::kOff}) {
    if (mode == MemoryMode::kOff && !options.without_memory) continue;
    for (const std::size_t threads : options.threads) {
      BITMAR_TRY(SessionBenchmark benchmark, SessionBenchmark::open(engine, options, photo, threads, mode));
      benchmarks.push_back(std::move(benchmark));
    }
  }
  advance();
  for (std::size_t round = 0; round < options.repetitions; ++round) {
    for (SessionBenchmark& benchmark : benchmarks) BITMAR_TRY_VOID(benchmark.run_round());
    advance();
  }
  auto meter = EnergyMeter::open();
  for (std::size_t i = 0; i < benchmarks.size(); ++i) {
    if (meter) BITMAR_TRY_VOID(benchmarks[i].measure_energy(*meter));
    if (i >= starts.size()) {
      report.runs_without_memory.push_back(benchmarks[i].report());
      continue;
    }
    ThreadReport& run = report.runs.emplace_back(benchmarks[i].report());
    run.start = std::move(starts[i].text);
    run.caption_start = std::move(starts[i].caption);
  }
  if (!meter) report.no_energy = meter.error().message;
  add_warnings(report);
  return report;
}

}  // namespace bitmar
