#include "apps/benchmark/window_benchmark.h"

#include <array>
#include <vector>

#include "apps/benchmark/workload.h"
#include "base/stopwatch.h"

namespace bitmar {
namespace {

// One of the three, and its samples.
class Contestant {
 public:
  static Result<Contestant> open(const BenchmarkOptions& options, std::uint32_t window, MemoryMode memory) {
    EngineOptions engine_options = options.engine;
    engine_options.window_tokens = window;
    BITMAR_TRY(auto engine, Engine::open(options.model, engine_options));
    if (engine->memory() == nullptr) {
      return fail(ErrorCode::kUnsupported, "{} has no memory to compare windows with", options.model);
    }
    BITMAR_TRY(Session session, Session::open(std::move(engine), {memory, options.threads.front()}));
    return Contestant(std::move(session));
  }

  Result<void> run(std::size_t input_tokens, std::size_t decode_tokens) {
    const auto prompt = prompt_tokens(session_.engine(), input_tokens);
    session_.reset();
    Stopwatch watch;
    BITMAR_TRY_VOID(session_.read(prompt));
    read_.push_back(watch.lap());
    BITMAR_TRY(const Generation result, generate(session_, std::span<const TokenId>(), greedy_options(decode_tokens)));
    decode_.push_back(result.generation_seconds * 1e6);
    return {};
  }
  void forget_samples() {
    read_.clear();
    decode_.clear();
  }

  [[nodiscard]] WindowTimes times() const {
    return {session_.engine().config().window_tokens, summarize(read_), summarize(decode_), session_.memory_bytes()};
  }

 private:
  explicit Contestant(Session session) : session_(std::move(session)) {}

  Session session_;
  std::vector<double> read_;
  std::vector<double> decode_;
};

}  // namespace

Result<WindowComparison> compare_windows(const BenchmarkOptions& options, std::uint32_t short_window,
                                         std::size_t input_tokens) {
  const auto everything = static_cast<std::uint32_t>(input_tokens + options.decode_tokens);
  BITMAR_TRY(Contestant with_memory, Contestant::open(options, short_window, MemoryMode::kReadOnly));
  BITMAR_TRY(Contestant own, Contestant::open(options, 0, MemoryMode::kOff));
  BITMAR_TRY(Contestant all, Contestant::open(options, everything, MemoryMode::kOff));
  for (std::size_t round = 0; round <= options.repetitions; ++round) {
    for (Contestant* contestant : std::array{&with_memory, &own, &all}) {
      BITMAR_TRY_VOID(contestant->run(input_tokens, options.decode_tokens));
      if (round == 0) contestant->forget_samples();  // it warms up
    }
  }
  return WindowComparison{input_tokens, options.decode_tokens, with_memory.times(), own.times(), all.times()};
}

}  // namespace bitmar
