#include <fmt/format.h>

#include <cstdio>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/resident_memory.h"
#include "cli/commands.h"
#include "pretrain/step_benchmark.h"

namespace bitmar {
namespace {

struct BenchFlags {
  std::string config;
  std::vector<std::string> overrides;
  std::uint64_t steps = 5;
  std::uint64_t warmup = 1;
  bool synthetic = false;
  SyntheticShape shape;
  std::string record;
  bool on_request = false;
  bool json = false;
};

// Sums over steps.
struct Totals {
  std::uint64_t steps = 0;
  double seconds = 0;
  double processor_seconds = 0;
  double tokens = 0;
  double data = 0;
  PhaseSeconds phases;

  void add(const StepTimes& times) {
    ++steps;
    seconds += times.seconds;
    processor_seconds += times.processor_seconds;
    tokens += static_cast<double>(times.outcome.tokens);
    data += times.data;
    phases.forward += times.outcome.seconds.forward;
    phases.loss += times.outcome.seconds.loss;
    phases.backward += times.outcome.seconds.backward;
    phases.optimizer += times.outcome.seconds.optimizer;
  }
};

// Means of a step.
nlohmann::json report(const Totals& totals) {
  const auto steps = static_cast<double>(totals.steps);
  nlohmann::json json = {{"steps", totals.steps},
                         {"tokens", totals.tokens / steps},
                         {"seconds", totals.seconds / steps},
                         {"processor_seconds", totals.processor_seconds / steps},
                         {"tokens_per_second", totals.tokens / totals.seconds},
                         {"phases",
                          {{"data", totals.data / steps},
                           {"forward", totals.phases.forward / steps},
                           {"loss", totals.phases.loss / steps},
                           {"backward", totals.phases.backward / steps},
                           {"optimizer", totals.phases.optimizer / steps}}}};
  if (const auto memory = resident_memory()) json["peak_resident_bytes"] = memory->peak;
  return json;
}

void print_table(const nlohmann::json& json) {
  fmt::print("{} steps of {:.0f} tokens: {:.0f} tokens/s, {:.3f} s a step ({:.3f} s of processor time)",
             json["steps"].get<std::uint64_t>(), json["tokens"].get<double>(), json["tokens_per_second"].get<double>(),
             json["seconds"].get<double>(), json["processor_seconds"].get<double>());
  if (json.contains("peak_resident_bytes")) {
    fmt::print(", at most {:.0f} MB of memory", json["peak_resident_bytes"].get<double>() * 1e-6);
  }
  fmt::print("\n");
  for (const auto& phase : {"data", "forward", "loss", "backward", "optimizer"}) {
    const double seconds = json["phases"][phase].get<double>();
    fmt::print("  {:<10} {:>8.3f} s {:>5.1f} %\n", phase, seconds, 100 * seconds / json["seconds"].get<double>());
  }
}

// A step for every line of standard input, answered by its times and losses in one line.
void answer_requests(StepBenchmark& benchmark) {
  for (std::string line; std::getline(std::cin, line);) {
    const StepTimes times = value_or_throw(benchmark.step());
    Totals totals;
    totals.add(times);
    nlohmann::json json = report(totals);
    json["losses"] = {{"language", times.outcome.language.value_or(0)},
                      {"contrast", times.outcome.contrast},
                      {"memory", times.outcome.consistency},
                      {"total", times.outcome.total}};
    fmt::print("{}\n", json.dump());
    std::fflush(stdout);
  }
}

void run_bench(const BenchFlags& flags) {
  const TomlDocument document = value_or_throw(TomlDocument::load(flags.config, flags.overrides));
  const PretrainSettings settings = value_or_throw(read_pretrain_settings(document));
  const auto benchmark = value_or_throw(
      StepBenchmark::open(settings, flags.synthetic ? std::optional(flags.shape) : std::optional<SyntheticShape>()));
  if (!flags.record.empty()) value_or_throw(benchmark->record(flags.record));
  if (flags.on_request) return answer_requests(*benchmark);
  for (std::uint64_t step = 0; step < flags.warmup; ++step) value_or_throw(benchmark->step());
  Totals totals;
  for (std::uint64_t step = 0; step < flags.steps; ++step) totals.add(value_or_throw(benchmark->step()));
  const nlohmann::json json = report(totals);
  if (flags.json) {
    fmt::print("{}\n", json.dump(2));
  } else {
    print_table(json);
  }
}

}  // namespace

void register_bench(CLI::App& app) {
  auto flags = std::make_shared<BenchFlags>();
  CLI::App* command = app.add_subcommand("bench", "Time the optimizer steps of a configuration; nothing is kept");
  command->add_option("-c,--config", flags->config, "The configuration (TOML)")->required();
  command->add_option("--set", flags->overrides, "Override a key: --set train.threads=1 (repeatable)")
      ->allow_extra_args(false);
  command->add_option("--steps", flags->steps, "Steps that count")->check(CLI::PositiveNumber)->capture_default_str();
  command->add_option("--warmup", flags->warmup, "Steps before them")->capture_default_str();
  auto* synthetic =
      command->add_flag("--synthetic", flags->synthetic, "One batch of random tokens at every step, no prepared data");
  const auto size = [&](const char* name, std::uint32_t& value, const char* meaning) {
    return command->add_option(name, value, meaning)->needs(synthetic)->capture_default_str();
  };
  size("--rows", flags->shape.rows, "Its rows")->check(CLI::PositiveNumber);
  size("--segments", flags->shape.segments, "Segments of a row")->check(CLI::PositiveNumber);
  size("--length", flags->shape.length, "Tokens of a segment")->check(CLI::PositiveNumber);
  size("--patches", flags->shape.patches, "Patches of each row's photo; 0: text alone");
  command->add_option("--record", flags->record, "Write parameters and batch to this safetensors file before step 1")
      ->needs(synthetic);
  command->add_flag("--on-request", flags->on_request,
                    "A step for every line of standard input, answered by a line of JSON: to take turns with others");
  command->add_flag("--json", flags->json, "Print the means as JSON");
  command->footer(
      "Phases: data (waiting for the batch), forward (up to the vocabulary head), loss (the head with its gradients,\n"
      "contrast, memory), backward (the rest), optimizer.\n"
      "Examples:\n"
      "  bitmar-train bench --config configs/bitmar-14m.toml --steps 20\n"
      "  bitmar-train bench --config configs/bitmar-14m.toml --synthetic --rows 64 --length 256 --json");
  command->callback([flags] { run_bench(*flags); });
}

}  // namespace bitmar
