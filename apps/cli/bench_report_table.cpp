#include <fmt/format.h>

#include <string>
#include <string_view>

#include "bench_report.h"

namespace bitmar::cli {
namespace {

void print_times(std::string_view name, const Summary& times, const std::string& note = {}) {
  fmt::print("  {:<34}{:>12.1f}{:>12.1f}{:>8.1f} %{}{}\n", name, times.median, times.minimum, 100 * times.spread(),
             note.empty() ? "" : "   ", note);
}

void print_tokens(std::string_view name, const TokenTimes& times, const std::string& note = {}) {
  print_times(fmt::format("{}, {} tokens", name, times.tokens), times.microseconds,
              fmt::format("{:.0f} tokens/s{}{}", times.tokens_per_second(), note.empty() ? "" : ", ", note));
}

// Times of a token with and without a change, as "+3.1 %".
std::string change(const TokenTimes& with, const TokenTimes& without) {
  return fmt::format("{:+.1f} % time", 100 * (without.tokens_per_second() / with.tokens_per_second() - 1));
}

void print_start(const StartTimes& times, bool photo) {
  print_times(photo ? "first token of a caption" : "first token of a text", times.total);
  print_times("  open the engine", times.engine);
  print_times("  open a session", times.session);
  if (photo) print_times("  read and encode the photo", times.photo);
  print_times(fmt::format("  read {} tokens, choose one", times.prompt_tokens), times.first_token);
}

void print_stages(const StageTimes& times) {
  fmt::print("  {:<34}{:>12}{:>12}\n", "stages of a token, µs", "short", "full window");
  double sums[2] = {0, 0};
  for (std::size_t stage = 0; stage < kStageNames.size(); ++stage) {
    fmt::print("    {:<32}{:>12.2f}{:>12.2f}\n", kStageNames[stage], times.short_context[stage],
               times.full_window[stage]);
    sums[0] += times.short_context[stage];
    sums[1] += times.full_window[stage];
  }
  fmt::print("    {:<32}{:>12.2f}{:>12.2f}\n", "all", sums[0], sums[1]);
}

void print_run(const ThreadReport& run, const std::string& no_energy) {
  fmt::print("\n{:<36}{:>12}{:>12}{:>10}\n", fmt::format("{} thread{}", run.threads, run.threads == 1 ? "" : "s"),
             "median µs", "best µs", "spread");
  print_tokens("prefill", run.prefill);
  print_tokens("decode", run.decode);
  print_tokens("  sampling", run.sampling, change(run.sampling, run.decode));
  if (run.no_memory) print_tokens("  memory off", *run.no_memory, change(*run.no_memory, run.decode));
  print_tokens(fmt::format("  after {}", run.full_window_context), run.full_window,
               fmt::format("{:.2f}x the time", run.full_window_ratio()));
  if (run.start) print_start(*run.start, false);
  if (run.caption_start) print_start(*run.caption_start, true);
  if (run.photo) {
    if (run.photo->decode) print_times("photo: decode", *run.photo->decode);
    print_times("photo: resize, normalise", run.photo->fit);
    print_times("photo: vision tower", run.photo->tower);
  }
  if (run.caption) {
    print_times(fmt::format("caption, beam {}, {} tokens", run.caption->beam, run.caption->tokens),
                run.caption->microseconds);
  }
  if (run.stages) print_stages(*run.stages);
  if (run.joules_per_token) {
    fmt::print("  {:<34}{:>12.3f} mJ a token\n", "energy", 1000 * *run.joules_per_token);
  } else {
    fmt::print("  {:<34}unavailable: {}\n", "energy", no_energy);
  }
}

void print_memory(const std::vector<MemoryStep>& steps) {
  const auto megabytes = [](std::uint64_t bytes) { return static_cast<double>(bytes) * 1e-6; };
  fmt::print("\n{:<36}{:>12}{:>12}\n", "memory after", "resident MB", "peak MB");
  for (const MemoryStep& step : steps) {
    fmt::print("  {:<34}{:>12.1f}{:>12.1f}\n", step.after, megabytes(step.memory.current), megabytes(step.memory.peak));
  }
}

}  // namespace

void print_table(const BenchmarkReport& report) {
  fmt::print("bitmar {}, {}, {} repetitions\n", BITMAR_VERSION, report.model, report.repetitions);
  fmt::print("{} kernels on {}, {} cores, {}; {}, {}\n", report.isa, report.machine.processor, report.machine.cores,
             report.machine.system, report.machine.compiler, report.machine.build);
  if (!report.photo.empty()) fmt::print("photo: {}\n", report.photo);
  for (const ThreadReport& run : report.runs) print_run(run, report.no_energy);
  print_memory(report.memory);
  if (!report.warnings.empty()) fmt::print("\n");
  for (const std::string& warning : report.warnings) fmt::print("warning: {}\n", warning);
}

}  // namespace bitmar::cli
