// bitmar reproduce: everything that can be measured of a model, as results.json and a Markdown page.
#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <system_error>
#include <vector>

#include "apps/benchmark/model_benchmark.h"
#include "apps/benchmark/process_benchmark.h"
#include "apps/benchmark/window_benchmark.h"
#include "commands.h"
#include "eval/registry/registry.h"
#include "eval/results/evaluation_run.h"
#include "eval/tasks/task_files.h"
#include "eval_tasks.h"
#include "io/atomic_file.h"
#include "io/gguf.h"
#include "model/schema/config_gguf.h"
#include "model_options.h"
#include "task_run.h"
#include "training_report.h"

namespace bitmar::cli {
namespace {

// The comparison of attention windows.
constexpr std::uint32_t kShortWindow = 64;
constexpr std::size_t kLongInput = 4096;
constexpr std::size_t kWindowRounds = 5;

struct ReproduceFlags {
  ModelOptions model;
  TaskContext context;
  std::string output;
  std::string commit;
  std::vector<std::string> fine_tuned;  // output folders of bitmar-train finetune
  std::vector<std::string> runs;        // the stages of the model's training
  std::string image;
  bool speed = true;
};

// Each memory mode keeps its predictions in a folder of its own.
Result<std::vector<TaskResult>> run_tasks(const ReproduceFlags& options, std::span<const Task> chosen, bool memory) {
  std::vector<TaskResult> results;
  for (const Task& task : chosen) {
    TaskContext context = options.context;
    context.memory = memory;
    context.predictions = options.output + (memory ? "/predictions" : "/predictions-memory-off");
    BITMAR_TRY(TaskResult result, run_task(task, context));
    results.push_back(std::move(result));
  }
  return results;
}

double megabytes(double bytes) {
  return bytes * 1e-6;
}

// With memory: of a short window; without: of the model's own, then of one that holds all of the input.
void add_window_rows(const WindowComparison& windows, std::vector<SpeedRow>& rows) {
  const WindowTimes& small = windows.short_with_memory;
  const auto per_second = [](std::size_t tokens, const Summary& microseconds) {
    return static_cast<double>(tokens) * 1e6 / microseconds.median;
  };
  const auto add = [&](const WindowTimes& without, const std::string& window) {
    const std::string what = fmt::format("{} tokens of input, window {} with memory, {} without", windows.input_tokens,
                                         small.window_tokens, window);
    rows.push_back({what + ": reading", "tokens/s", per_second(windows.input_tokens, small.read),
                    per_second(windows.input_tokens, without.read)});
    rows.push_back({what + ": decode after it", "tokens/s", per_second(windows.decode_tokens, small.decode),
                    per_second(windows.decode_tokens, without.decode)});
    rows.push_back({what + ": session", "MB", megabytes(static_cast<double>(small.session_bytes)),
                    megabytes(static_cast<double>(without.session_bytes))});
  };
  add(windows.own_without_memory, std::to_string(windows.own_without_memory.window_tokens));
  add(windows.all_without_memory, "full attention");
}

// What is measured of a number of threads, in the order of the table.
std::vector<SpeedRow> speed_rows(const ThreadReport& run) {
  const std::string threads = fmt::format("{} thread{}", run.threads, run.threads == 1 ? "" : "s");
  const std::string window = fmt::format("decode after {} tokens, {}", run.full_window_context, threads);
  std::vector<SpeedRow> rows = {
      {"decode, " + threads, "tokens/s", run.decode.tokens_per_second(), {}},
      {window, "tokens/s", run.full_window.tokens_per_second(), {}},
      {"prefill, " + threads, "tokens/s", run.prefill.tokens_per_second(), {}},
  };
  if (run.caption) {
    rows.push_back({"caption from pixels, " + threads, "ms", run.caption->microseconds.median / 1e3, {}});
  }
  const auto millijoules = run.joules_per_token ? std::optional(1e3 * *run.joules_per_token) : std::nullopt;
  rows.push_back({"energy, " + threads, "mJ a token", millijoules, {}});
  return rows;
}

// By the file's head alone: an engine would be part of what is measured.
Result<bool> has_memory(const std::string& model) {
  BITMAR_TRY(const GgufFile file, GgufFile::open(model));
  BITMAR_TRY(const ModelConfig config, read_config(file));
  return config.memory;
}

// Both ways in the same rounds, so that what disturbs one disturbs the other.
Result<std::vector<SpeedRow>> measure_speed(const ReproduceFlags& options, const std::string& model) {
  BenchmarkOptions benchmark;
  benchmark.model = model;
  benchmark.engine.tower_path = options.model.tower;
  benchmark.threads = {1};
  if (options.context.threads > 1) benchmark.threads.push_back(options.context.threads);
  BITMAR_TRY(const bool memory, has_memory(model));
  benchmark.without_memory = memory;
  // Peaks first, while this process has touched little that a fork would inherit.
  BITMAR_TRY(const std::vector<double> peaks, measure_peaks(benchmark, MemoryMode::kReadOnly));
  std::vector<double> peaks_without;
  if (memory) {
    BITMAR_TRY(peaks_without, measure_peaks(benchmark, MemoryMode::kOff));
  }
  BITMAR_TRY(const BenchmarkReport report, benchmark_model(benchmark));
  std::vector<SpeedRow> rows;
  for (std::size_t i = 0; i < report.runs.size(); ++i) {
    std::vector<SpeedRow> run = speed_rows(report.runs[i]);
    if (memory) {
      const std::vector<SpeedRow> without = speed_rows(report.runs_without_memory[i]);
      for (std::size_t row = 0; row < run.size(); ++row) run[row].memory_off = without[row].memory_on;
    }
    std::ranges::move(run, std::back_inserter(rows));
  }
  for (std::size_t i = 0; i < report.memory.size(); ++i) {
    SpeedRow& row = rows.emplace_back(
        SpeedRow{fmt::format("peak memory after {}", report.memory[i].after), "MB", megabytes(peaks[i]), {}});
    if (memory) row.memory_off = megabytes(peaks_without[i]);
  }
  if (memory) {
    benchmark.repetitions = kWindowRounds;
    BITMAR_TRY(const WindowComparison windows, compare_windows(benchmark, kShortWindow, kLongInput));
    add_window_rows(windows, rows);
  }
  return rows;
}

std::vector<Fact> facts(const ReproduceFlags& options, const std::string& model) {
  const Machine machine = describe_machine();
  const Engine& engine = *options.context.engine;
  std::vector<Fact> facts = {
      {"model", std::filesystem::path(model).filename().string()},
      {"SHA-256", engine.content_hash()},
      {"kernels", std::string(engine.kernels().name)},
      {"machine", fmt::format("{}, {} cores, {}", machine.processor, machine.cores, machine.system)},
      {"build", fmt::format("bitmar {}, {}, {}", BITMAR_VERSION, machine.compiler, machine.build)},
      {"threads", std::to_string(options.context.threads)},
      {"seed", std::to_string(options.context.seed)},
      {"date", fmt::format("{:%Y-%m-%d}", fmt::gmtime(std::chrono::system_clock::now()))},
  };
  if (!options.commit.empty()) facts.push_back({"commit", options.commit});
  if (options.context.limit > 0)
    facts.push_back({"limit", fmt::format("{} items of each part", options.context.limit)});
  return facts;
}

// Of the tasks, memory on and off; of those whose predictions an earlier run had kept it is the time to read these.
std::string time_of(const EvaluationRun& run) {
  const auto minutes = [](const std::vector<TaskResult>& tasks) {
    double seconds = 0;
    for (const TaskResult& task : tasks) seconds += task.seconds;
    return seconds / 60;
  };
  return fmt::format("{:.1f} minutes for the tasks, {:.1f} once more without memory", minutes(run.tasks),
                     minutes(run.ablation));
}

// The figures of the model's training, and of what it reads from its memory while it captions the photo.
Result<void> add_figures(const ReproduceFlags& options, EvaluationRun& run) {
  std::optional<PhotoToRead> photo;
  if (!options.image.empty()) {
    BITMAR_TRY(Session session, open_session(options.context.engine, options.model));
    photo.emplace(options.image, std::move(session));
  }
  run.training_report = "training.html";
  BITMAR_TRY(
      const WrittenReport written,
      write_training_report(options.runs, options.output + "/" + run.training_report, photo ? &*photo : nullptr));
  for (const auto& [file, title] : written.figures) {
    run.figures.push_back({std::filesystem::path(file).lexically_relative(options.output).generic_string(), title});
  }
  return {};
}

// What would otherwise be missed after minutes.
Result<void> check_paths(const ReproduceFlags& options) {
  std::vector<std::string> paths = options.runs;
  if (!options.image.empty()) paths.push_back(options.image);
  for (const std::string& path : paths) {
    std::error_code status;
    if (!std::filesystem::exists(path, status)) return fail(ErrorCode::kNotFound, "reproduce: there is no {}", path);
  }
  return {};
}

Result<void> reproduce(ReproduceFlags options) {
  BITMAR_TRY_VOID(check_paths(options));
  EvaluationRun run;
  if (!options.fine_tuned.empty()) {
    BITMAR_TRY(run.fine_tuned, read_fine_tuned(options.fine_tuned));
  }
  BITMAR_TRY(const std::string model, find_model(options.model.model));
  options.context.threads = options.model.threads;
  options.context.tower = options.model.tower;
  const auto has_files = [&](const Task& task) { return has_task_files(options.context.data, task.files); };
  if (std::ranges::none_of(tasks(), has_files)) {
    return fail(ErrorCode::kNotFound, "reproduce: {} has no files of any task", options.context.data);
  }
  std::error_code status;
  std::filesystem::create_directories(options.output, status);
  if (status) return fail(ErrorCode::kIo, "{}: cannot create it: {}", options.output, status.message());
  if (options.speed) {  // first: it forks
    BITMAR_TRY(run.speed, measure_speed(options, model));
  }
  BITMAR_TRY(options.context.engine, open_engine(options.model));
  run.facts = facts(options, model);
  if (!options.runs.empty()) {
    BITMAR_TRY_VOID(add_figures(options, run));
  }
  std::vector<SkippedTask> skipped;
  const std::vector<Task> chosen = runnable_tasks(tasks(), options.context, skipped);
  if (chosen.empty()) {
    return fail(ErrorCode::kNotFound, "reproduce: no task can be run; {}", skipped.front().reason);
  }
  for (const SkippedTask& one : skipped) run.missing.emplace_back(one.task.name);
  BITMAR_TRY(run.tasks, run_tasks(options, chosen, true));
  if (options.context.engine->memory() != nullptr) {
    BITMAR_TRY(run.ablation, run_tasks(options, chosen, false));
  }
  const std::uint64_t seed = options.context.seed;
  run.effects = memory_effects(run.tasks, run.ablation, seed);
  if (run.fine_tuned) {
    run.fine_tuned_effects = memory_effects(run.fine_tuned->tasks, run.fine_tuned->ablation, seed);
  }
  run.facts.push_back({"time", time_of(run)});
  BITMAR_TRY_VOID(write_text_file(options.output + "/results.json", to_json(run).dump(2) + "\n"));
  BITMAR_TRY_VOID(write_text_file(options.output + "/results.md", result_page(run)));
  fmt::print("{0}/results.json, {0}/results.md\n", options.output);
  return {};
}

}  // namespace

void add_reproduce_command(CLI::App& app, CommandAction& action) {
  auto options = std::make_shared<ReproduceFlags>();
  TaskContext& context = options->context;
  CLI::App* command = app.add_subcommand("reproduce", "Measure all that the data allows, as a page of results");
  add_model_options(*command, options->model);
  command->add_option("--data", context.data, "the folder with the tasks' files")->required();
  command->add_option("-o,--output", options->output, "the folder for results.json, results.md and predictions")
      ->required();
  command->add_option("--limit", context.limit, "only so many items of each part")->check(CLI::PositiveNumber);
  command->add_option("--seed", context.seed, "of intervals and shuffles")->capture_default_str();
  command->add_option("--commit", options->commit, "the source's commit, for the page");
  command
      ->add_option("--fine-tuned", options->fine_tuned,
                   "what bitmar-train finetune wrote, to be among the results; a folder with memory, one without")
      ->expected(1, 2);
  CLI::Option* runs = command->add_option(
      "--runs", options->runs, "the training's folders, its stages in order: their figures go to training.html");
  command->add_option("--image", options->image, "a photo, for the figure of what is read from the memory")
      ->needs(runs);
  command->add_flag("!--no-speed", options->speed, "leave out speed and memory use");
  command->footer(
      "Every task runs with the episodic memory on and off. An interrupted run goes on in the midst of a task; speeds\n"
      "are measured again.\n"
      "Examples:\n"
      "  bitmar reproduce --data data -o results -t 2 --commit $(git rev-parse --short HEAD)\n"
      "  bitmar reproduce --data data -o results --fine-tuned runs/finetune runs/finetune-off --runs runs/captions");
  command->callback([options, &action] { action = [options] { return reproduce(*options); }; });
}

}  // namespace bitmar::cli
