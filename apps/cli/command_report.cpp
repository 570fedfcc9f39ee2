// bitmar report: a training run as a page of figures.
#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "commands.h"
#include "model_options.h"
#include "training_report.h"

namespace bitmar::cli {
namespace {

struct ReportFlags {
  ModelOptions model;
  std::vector<std::string> runs;
  std::string output = "report.html";
  std::string image;
  bool json = false;
};

Result<void> write_report(const ReportFlags& options) {
  std::optional<PhotoToRead> photo;
  if (!options.image.empty()) {
    BITMAR_TRY(const auto engine, open_engine(options.model));
    BITMAR_TRY(Session session, open_session(engine, options.model));
    photo.emplace(options.image, std::move(session));
  }
  BITMAR_TRY(const WrittenReport written,
             write_training_report(options.runs, options.output, photo ? &*photo : nullptr));
  if (!options.json) {
    fmt::print("{}, {}/*.svg\n", options.output, written.figure_folder);
    return {};
  }
  nlohmann::ordered_json json;
  json["page"] = options.output;
  json["steps"] = written.steps;
  json["figures"] = nlohmann::ordered_json::array();
  for (const auto& [file, title] : written.figures) json["figures"].push_back({{"file", file}, {"title", title}});
  json["missing"] = written.missing;
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
