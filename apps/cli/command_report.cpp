// bitmar report: a training run as a page of figures.
#include <fmt/chrono.h>
#include <fmt/format.h>

#include <ctime>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "commands.h"
#include "eval/report/memory_reading.h"
#include "eval/report/page.h"
#include "eval/report/training_figures.h"
#include "io/atomic_file.h"
#include "io/lines.h"
#include "io/mapped_file.h"
#include "model_options.h"
#include "progress.h"

namespace bitmar::cli {
namespace {

namespace fs = std::filesystem;

struct ReportFlags {
  ModelOptions model;
  std::vector<std::string> runs;
  std::string output = "report.html";
  std::string image;
  bool json = false;
};

// "15,500 steps in 2:10:05, begun on 2026-01-31"; the time is that between the first and the last line of the log.
std::string steps_and_time(const report::Stage& stage) {
  std::string text = fmt::format("{} steps", report::format_value(stage.last_step - stage.first_step));
  if (stage.first_time == 0) return text;
  return text + fmt::format(" in {}, begun on {:%Y-%m-%d}", format_duration(stage.last_time - stage.first_time),
                            fmt::gmtime(static_cast<std::time_t>(stage.first_time)));
}

std::string lead(const report::TrainingLog& log) {
  if (log.stages.size() == 1) return steps_and_time(log.stages.front()) + ".";
  std::string text = fmt::format("{} steps in {} stages, one after the other",
                                 report::format_value(log.stages.back().last_step), log.stages.size());
  for (const report::Stage& stage : log.stages) {
    text += fmt::format("{} {}: {}", &stage == &log.stages.front() ? ":" : ";", stage.name, steps_and_time(stage));
  }
  return text + ".";
}

std::string title(const report::TrainingLog& log) {
  std::string names;
  for (const report::Stage& stage : log.stages) names += fmt::format("{}{}", names.empty() ? "" : " + ", stage.name);
  return "Training of " + names;
}

// The figure of what the model reads, and the photo beside it.
Result<void> add_reading(const ReportFlags& options, report::ReportPage& page) {
  BITMAR_TRY(const auto engine, open_engine(options.model));
  BITMAR_TRY(Session session, open_session(engine, options.model));
  BITMAR_TRY(const Image image, load_image(options.image));
  BITMAR_TRY_VOID(session.set_image(image));
  BITMAR_TRY(const report::MemoryReading reading, report::read_caption(session, {}));
  BITMAR_TRY(report::Figure figure, report::reading_figure(reading));
  page.figures.push_back(std::move(figure));
  BITMAR_TRY(const MappedFile file, MappedFile::open(options.image));
  const std::string_view bytes = as_text(file.bytes());
  page.photo = report::ReportPhoto{report::picture_type(bytes), std::string(bytes),
                                   fmt::format("The photo: {}", reading.caption)};
  return {};
}

// Each figure as a file of its own, beside the page. -> their folder
Result<std::string> write_figures(const std::string& output, const std::vector<report::Figure>& figures) {
  const fs::path path(output);
  const std::string folder = (path.parent_path() / (path.stem().string() + "-figures")).string();
  std::error_code status;
  fs::create_directories(folder, status);
  if (status) return fail(ErrorCode::kIo, "{}: cannot create it: {}", folder, status.message());
  for (const report::Figure& figure : figures) {
    BITMAR_TRY_VOID(write_text_file(fmt::format("{}/{}.svg", folder, figure.id),
                                    report::svg_file(figure.drawing, figure.id, figure.title, figure.description)));
  }
  return folder;
}

Result<void> write_report(const ReportFlags& options) {
  BITMAR_TRY(const report::TrainingLog log, report::read_training_log(options.runs));
  BITMAR_TRY(report::TrainingFigures made, report::training_figures(log));
  report::ReportPage page{
      .title = title(log), .lead = lead(log), .figures = std::move(made.figures), .missing = std::move(made.missing)};
  BITMAR_TRY(page.tables, report::report_tables(log));
  if (!options.image.empty()) BITMAR_TRY_VOID(add_reading(options, page));
  BITMAR_TRY(const std::string folder, write_figures(options.output, page.figures));
  BITMAR_TRY_VOID(write_text_file(options.output, report::report_page(page)));
  if (!options.json) {
    fmt::print("{}, {}/*.svg\n", options.output, folder);
    return {};
  }
  nlohmann::ordered_json json;
  json["page"] = options.output;
  json["steps"] = log.stages.back().last_step;
  json["figures"] = nlohmann::ordered_json::array();
  for (const report::Figure& figure : page.figures) {
    json["figures"].push_back({{"file", fmt::format("{}/{}.svg", folder, figure.id)}, {"title", figure.title}});
  }
  json["missing"] = page.missing;
  fmt::print("{}\n", json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
  return {};
}

}  // namespace

void add_report_command(CLI::App& app, CommandAction& action) {
  auto options = std::make_shared<ReportFlags>();
  CLI::App* command = app.add_subcommand("report", "Show a training run as a page of figures");
  command
      ->add_option("runs", options->runs,
                   "a training run's folder; several: the stages of one training, joined in this order")
      ->required();
  command->add_option("-o,--output", options->output, "the page; figures go beside it as SVG files")
      ->capture_default_str();
  CLI::Option* image = command->add_option(
      "--image", options->image, "a photo: caption it, and show which memory slots each word of the caption reads");
  add_model_options(*command, options->model);
  command->add_option("--memory", options->model.memory,
                      "read this memory ('default': the file of bitmar memory) instead of the model's own");
  for (const char* name : {"--model", "--tower", "--memory"}) command->get_option(name)->needs(image);
  command->add_flag("--json", options->json, "print what was written as JSON");
  command->footer(
      "Examples:\n"
      "  bitmar report runs/bitmar-14m-photos -o report.html\n"
      "  bitmar report runs/language runs/captions --model models/bitmar-14m.gguf --image photo.jpg");
  command->callback([options, &action] { action = [options] { return write_report(*options); }; });
}

}  // namespace bitmar::cli
