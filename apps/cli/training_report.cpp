#include "training_report.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <ctime>
#include <filesystem>
#include <system_error>
#include <utility>

#include "eval/report/memory_reading.h"
#include "eval/report/page.h"
#include "eval/report/training_figures.h"
#include "image/image.h"
#include "io/atomic_file.h"
#include "io/lines.h"
#include "io/mapped_file.h"
#include "progress.h"

namespace bitmar::cli {
namespace {

namespace fs = std::filesystem;

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
  for (std::size_t i = 0; i < log.stages.size(); ++i) {  // numbered as in the figures
    text += fmt::format("{} {} {}: {}", i == 0 ? ":" : ";", i + 1, log.stages[i].name, steps_and_time(log.stages[i]));
  }
  return text + ".";
}

std::string title(const report::TrainingLog& log) {
  std::string names;
  for (const report::Stage& stage : log.stages) names += fmt::format("{}{}", names.empty() ? "" : " + ", stage.name);
  return "Training of " + names;
}

// The figure of what the model reads, and the photo beside it.
Result<void> add_reading(PhotoToRead& photo, report::ReportPage& page) {
  BITMAR_TRY(const Image image, load_image(photo.path));
  BITMAR_TRY_VOID(photo.session.set_image(image));
  BITMAR_TRY(const report::MemoryReading reading, report::read_caption(photo.session, {}));
  BITMAR_TRY(report::Figure figure, report::reading_figure(reading));
  page.figures.push_back(std::move(figure));
  BITMAR_TRY(const MappedFile file, MappedFile::open(photo.path));
  const std::string_view bytes = as_text(file.bytes());
  page.photo = report::ReportPhoto{report::picture_type(bytes), std::string(bytes),
                                   fmt::format("The photo: {}", reading.caption)};
  return {};
}

Result<void> write_figures(const std::string& output, const std::vector<report::Figure>& figures,
                           WrittenReport& written) {
  const fs::path path(output);
  written.figure_folder = (path.parent_path() / (path.stem().string() + "-figures")).string();
  std::error_code status;
  fs::create_directories(written.figure_folder, status);
  if (status) return fail(ErrorCode::kIo, "{}: cannot create it: {}", written.figure_folder, status.message());
  for (const report::Figure& figure : figures) {
    const std::string file = fmt::format("{}/{}.svg", written.figure_folder, figure.id);
    BITMAR_TRY_VOID(
        write_text_file(file, report::svg_file(figure.drawing, figure.id, figure.title, figure.description)));
    written.figures.push_back({file, figure.title});
  }
  return {};
}

}  // namespace

Result<WrittenReport> write_training_report(std::span<const std::string> runs, const std::string& output,
                                            PhotoToRead* photo) {
  BITMAR_TRY(const report::TrainingLog log, report::read_training_log(runs));
  BITMAR_TRY(report::TrainingFigures made, report::training_figures(log));
  report::ReportPage page{
      .title = title(log), .lead = lead(log), .figures = std::move(made.figures), .missing = std::move(made.missing)};
  BITMAR_TRY(page.tables, report::report_tables(log));
  if (photo != nullptr) BITMAR_TRY_VOID(add_reading(*photo, page));
  WrittenReport written{.steps = log.stages.back().last_step, .missing = page.missing};
  BITMAR_TRY_VOID(write_figures(output, page.figures, written));
  BITMAR_TRY_VOID(write_text_file(output, report::report_page(page)));
  return written;
}

}  // namespace bitmar::cli
