// bitmar caption: photos to captions.
#include <fmt/format.h>

#include <chrono>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "commands.h"
#include "model_options.h"
#include "runtime/beam_search.h"
#include "runtime/photo_list.h"

namespace bitmar::cli {
namespace {

struct Options {
  ModelOptions model;
  std::vector<std::string> inputs;
  BeamOptions beam;
  std::string prompt;
  bool json = false;
};

Result<Caption> caption_photo(Session& session, const Photo& photo, const Options& options) {
  BITMAR_TRY(const Image image, load_photo(photo.path));
  BITMAR_TRY_VOID(session.set_image(image));
  return caption(session, options.beam, options.prompt);
}

Result<void> run(const Options& options) {
  BITMAR_TRY(const std::vector<Photo> photos, list_photos("caption", options.inputs));
  BITMAR_TRY(const auto engine, open_engine(options.model));
  BITMAR_TRY(Session session, open_session(engine, options.model));

  std::size_t failed = 0;
  for (const Photo& photo : photos) {
    const auto start = std::chrono::steady_clock::now();
    const auto result = caption_photo(session, photo, options);
    const std::chrono::duration<double, std::milli> elapsed = std::chrono::steady_clock::now() - start;
    if (!result) {
      if (photos.size() == 1) return std::unexpected(result.error());
      fmt::print(stderr, "bitmar: {}\n", result.error().message);
      ++failed;
      continue;
    }
    if (options.json) {
      nlohmann::ordered_json line;
      line["file"] = photo.name;
      line["caption"] = result->text;
      line["log_probability"] = result->log_probability;
      line["milliseconds"] = elapsed.count();
      fmt::print("{}\n", line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
    } else if (photos.size() == 1) {
      fmt::print("{}\n", result->text);
    } else {
      fmt::print("{}: {}\n", photo.name, result->text);
    }
  }
  if (failed > 0) {
    return fail(ErrorCode::kInvalidFile, "caption: {} of {} photos could not be captioned", failed, photos.size());
  }
  return {};
}

}  // namespace

void add_caption_command(CLI::App& app, CommandAction& action) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("caption", "Describe photos");
  command->add_option("photos", options->inputs, "photos (JPEG, PNG, WebP), folders of photos, or - for standard input")
      ->required();
  add_model_options(*command, options->model);
  add_memory_options(*command, options->model);
  command->add_option("--beam", options->beam.width, "hypotheses of the beam search; 1 is greedy")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  command->add_option("--length-exponent", options->beam.length_exponent, "preference for longer captions")
      ->capture_default_str();
  command->add_option("-n,--predict", options->beam.maximum_tokens, "tokens at most")->capture_default_str();
  command->add_option("-p,--prompt", options->prompt, "how the caption begins");
  command->add_flag("--json", options->json, "one JSON object a line: file, caption, log_probability, milliseconds");
  command->footer(
      "Examples:\n"
      "  bitmar caption photo.jpg\n"
      "  bitmar caption holiday/ --json > captions.jsonl\n"
      "  bitmar caption photo.jpg --memory default\n"
      "  cat photo.jpg | bitmar caption - --beam 1");
  command->callback([options, &action] { action = [options] { return run(*options); }; });
}

}  // namespace bitmar::cli
