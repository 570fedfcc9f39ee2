// bitmar bench: how fast a model runs on this machine, and in how much memory.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <thread>

#include "apps/benchmark/model_benchmark.h"
#include "bench_report.h"
#include "commands.h"
#include "model_options.h"
#include "progress.h"

namespace bitmar::cli {
namespace {

struct BenchFlags {
  ModelOptions model;
  BenchmarkOptions benchmark;
  bool json = false;
};

// 1, and 2 where there are two cores.
std::vector<std::size_t> default_threads() {
  if (std::thread::hardware_concurrency() < 2) return {1};
  return {1, 2};
}

Result<void> run_benchmark(const BenchFlags& options) {
  BenchmarkOptions benchmark = options.benchmark;
  BITMAR_TRY(benchmark.model, find_model(options.model.model));
  benchmark.engine.tower_path = options.model.tower;
  std::unique_ptr<Progress> progress;
  BITMAR_TRY(const BenchmarkReport report, benchmark_model(benchmark, [&progress](std::size_t done, std::size_t total) {
               if (progress == nullptr) progress = std::make_unique<Progress>("steps", total);
               progress->update(done);
             }));
  if (progress != nullptr) progress->finish();
  if (options.json) {
    fmt::print("{}\n", report_json(report).dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
  } else {
    print_table(report);
  }
  return {};
}

}  // namespace

void add_bench_command(CLI::App& app, CommandAction& action) {
  auto options = std::make_shared<BenchFlags>();
  CLI::App* command = app.add_subcommand("bench", "Measure a model's speed and memory use on this machine");
  add_model_file_options(*command, options->model);
  BenchmarkOptions& benchmark = options->benchmark;
  benchmark.threads = default_threads();
  command->add_option("-p,--prefill", benchmark.prefill_tokens, "tokens of the prompt")->capture_default_str();
  command->add_option("-n,--predict", benchmark.decode_tokens, "tokens to generate")->capture_default_str();
  command->add_option("-t,--threads", benchmark.threads, "numbers of threads, each is measured")
      ->delimiter(',')
      ->check(CLI::Range(1, 256))
      ->capture_default_str();
  command->add_option("-r,--repetitions", benchmark.repetitions, "runs of each measurement")->capture_default_str();
  command->add_option("--image", benchmark.photo, "a photo (default: a synthetic one)");
  command->add_option("--isa", benchmark.engine.isa, "instruction set (default: BITMAR_ISA, else the fastest)");
  command->add_flag("--stages", benchmark.stages, "also where the time of a token goes");
  command->add_flag("--json", options->json, "print all as JSON");
  command->footer(
      "Examples:\n"
      "  bitmar bench\n"
      "  bitmar bench -t 1,2,4 --image photo.jpg --stages\n"
      "  bitmar bench --isa scalar -r 3 --json");
  command->callback([options, &action] { action = [options] { return run_benchmark(*options); }; });
}

}  // namespace bitmar::cli
