#include "apps/benchmark/process_benchmark.h"

#include <array>
#include <span>
#include <string_view>
#include <utility>

#include "apps/benchmark/child_process.h"
#include "apps/benchmark/photo.h"
#include "apps/benchmark/workload.h"
#include "base/stopwatch.h"
#include "kernels/ops.h"
#include "runtime/caption.h"

namespace bitmar {
namespace {

using Numbers = Result<std::vector<double>>;

constexpr std::string_view kTextPrompt = "Once upon a time";

// engine, session, photo, first token, then the prompt's tokens.
Numbers start(const BenchmarkOptions& options, std::size_t threads, bool caption) {
  std::vector<double> numbers;
  Stopwatch watch;
  BITMAR_TRY(const auto engine, Engine::open(options.model, options.engine));
  numbers.push_back(watch.lap());
  BITMAR_TRY(Session session, Session::open(engine, {MemoryMode::kReadOnly, threads}));
  numbers.push_back(watch.lap());
  if (caption) {
    BITMAR_TRY(const BenchmarkPhoto photo, BenchmarkPhoto::load(options.photo));
    BITMAR_TRY_VOID(session.set_image(photo.image));
  }
  numbers.push_back(watch.lap());
  std::vector<TokenId> prompt{engine->tokenizer().end_of_text()};
  if (!caption) engine->tokenizer().encode_append(kTextPrompt, prompt);
  BITMAR_TRY(const auto logits, session.prefill(prompt));
  const std::size_t token = row_max_index(engine->kernels(), logits);
  numbers.push_back(watch.lap());
  numbers.push_back(static_cast<double>(prompt.size()));
  if (token >= logits.size()) return fail(ErrorCode::kOutOfRange, "token {} is outside the vocabulary", token);
  return numbers;
}

Result<void> note(std::string_view after, std::vector<MemoryStep>& steps) {
  BITMAR_TRY(const ResidentMemory memory, resident_memory());
  steps.push_back({after, memory});
  return {};
}

}  // namespace

Result<StartTimes> measure_start(const BenchmarkOptions& options, std::size_t threads, bool caption) {
  StartTimes times;
  std::array<std::vector<double>, 4> parts;
  std::vector<double> totals;
  for (std::size_t i = 0; i < options.repetitions; ++i) {
    BITMAR_TRY(const std::vector<double> numbers, measure_in_child([&] { return start(options, threads, caption); }));
    double total = 0;
    for (std::size_t part = 0; part < parts.size(); ++part) {
      parts[part].push_back(numbers.at(part));
      total += numbers.at(part);
    }
    totals.push_back(total);
    times.prompt_tokens = static_cast<std::size_t>(numbers.at(parts.size()));
  }
  times.engine = summarize(parts[0]);
  times.session = summarize(parts[1]);
  times.photo = caption ? summarize(parts[2]) : Summary{};
  times.first_token = summarize(parts[3]);
  times.total = summarize(totals);
  return times;
}

Result<std::shared_ptr<const Engine>> open_measured(const BenchmarkOptions& options, MemoryMode mode,
                                                    std::vector<MemoryStep>& steps) {
  BITMAR_TRY_VOID(note("process start", steps));
  BITMAR_TRY(auto engine, Engine::open(options.model, options.engine));
  BITMAR_TRY_VOID(note("engine", steps));
  BITMAR_TRY(Session session, Session::open(engine, {mode, 1}));
  BITMAR_TRY_VOID(note("session", steps));
  BITMAR_TRY_VOID(session.prefill(prompt_tokens(*engine, options.prefill_tokens)));
  BITMAR_TRY_VOID(note("prompt", steps));
  BITMAR_TRY_VOID(generate(session, std::span<const TokenId>(), sampling_options(options.decode_tokens)));
  BITMAR_TRY_VOID(note("text", steps));
  if (engine->tower() == nullptr) return engine;
  {
    BITMAR_TRY(const BenchmarkPhoto photo, BenchmarkPhoto::load(options.photo));
    BITMAR_TRY_VOID(session.set_image(photo.image));
  }
  BITMAR_TRY_VOID(note("photo", steps));
  BITMAR_TRY_VOID(caption(session, {.beam = {.width = kCaptionBeam}}));
  BITMAR_TRY_VOID(note("caption", steps));
  return engine;
}

Result<std::vector<double>> measure_peaks(const BenchmarkOptions& options, MemoryMode mode) {
  return measure_in_child([&]() -> Numbers {
    std::vector<MemoryStep> steps;
    BITMAR_TRY_VOID(open_measured(options, mode, steps));
    std::vector<double> peaks;
    for (const MemoryStep& step : steps) peaks.push_back(static_cast<double>(step.memory.peak));
    return peaks;
  });
}

}  // namespace bitmar
