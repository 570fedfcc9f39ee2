// bitmar generate: text from a prompt, with or without a photo, streamed as it is made.
#include <fmt/format.h>

#include <cstdio>
#include <iostream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "commands.h"
#include "model_options.h"
#include "runtime/generator.h"

namespace bitmar::cli {
namespace {

struct GenerateFlags {
  ModelOptions model;
  std::string prompt;
  std::string image;
  GenerateOptions generate;
  bool json = false;
};

Result<void> generate_text(const GenerateFlags& options) {
  if (options.prompt == "-" && options.image == "-") {
    return fail(ErrorCode::kInvalidArgument, "generate: -p - and --image - cannot both read standard input");
  }
  std::string prompt = options.prompt;
  if (prompt == "-") prompt.assign(std::istreambuf_iterator<char>(std::cin), {});
  BITMAR_TRY_VOID(options.generate.sampler.validate());
  BITMAR_TRY(const auto engine, open_engine(options.model));
  BITMAR_TRY(Session session, open_session(engine, options.model));
  if (!options.image.empty()) {
    BITMAR_TRY(const Image image, load_photo(options.image));
    BITMAR_TRY_VOID(session.set_image(image));
  }

  const bool stream = !options.json;
  const auto show = [stream](std::string_view piece) {
    if (stream) {
      fmt::print("{}", piece);
      std::fflush(stdout);
    }
    return true;
  };
  show(prompt);
  BITMAR_TRY(const Generation result, generate(session, std::string_view(prompt), options.generate, show));
  if (stream) {
    fmt::print("\n");
    return {};
  }
  nlohmann::ordered_json json;
  json["prompt"] = prompt;
  json["text"] = result.text;
  json["ids"] = result.ids;
  json["stopped_by"] = result.reason == StopReason::kEndOfText ? "end-of-text" : "length";
  json["prompt_tokens"] = result.prompt_tokens;
  json["prompt_seconds"] = result.prompt_seconds;
  json["generated_tokens"] = result.ids.size();
  json["generation_seconds"] = result.generation_seconds;
  fmt::print("{}\n", json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
  return {};
}

}  // namespace

void add_generate_command(CLI::App& app, CommandAction& action) {
  auto options = std::make_shared<GenerateFlags>();
  CLI::App* command = app.add_subcommand("generate", "Continue a text, about a photo or not");
  add_model_options(*command, options->model);
  add_memory_options(*command, options->model);
  SamplerOptions& sampler = options->generate.sampler;
  sampler.temperature = 0.8f;
  command->add_option("-p,--prompt", options->prompt, "the text to continue; - reads standard input");
  command->add_option("--image", options->image, "a photo; - reads standard input");
  command->add_option("-n,--predict", options->generate.maximum_tokens, "tokens at most")->capture_default_str();
  command->add_flag("!--ignore-eos", options->generate.stop_at_end, "go on after the end of the text");
  command->add_option("--temp", sampler.temperature, "temperature; 0 is greedy")->capture_default_str();
  command->add_option("--top-k", sampler.top_k, "keep the k likeliest tokens; 0: all")->capture_default_str();
  command->add_option("--top-p", sampler.top_p, "keep the likeliest tokens of this mass; 1: all")
      ->capture_default_str();
  command->add_option("--min-p", sampler.min_p, "keep tokens of this share of the likeliest; 0: all")
      ->capture_default_str();
  command->add_option("--repeat-penalty", sampler.repetition_penalty, "divides the logits of recent tokens; 1: off")
      ->capture_default_str();
  command->add_option("--repeat-last-n", sampler.repetition_window, "tokens that count as recent")
      ->capture_default_str();
  command->add_option("-s,--seed", sampler.seed, "the same seed gives the same text")->capture_default_str();
  command->add_flag("--json", options->json, "print text, ids and times as JSON instead of streaming");
  command->footer(
      "Examples:\n"
      "  bitmar generate -p \"Once upon a time\"\n"
      "  bitmar generate --image photo.jpg -p \"A man\" --temp 0\n"
      "  bitmar generate -p \"The weather\" -n 40 -s 7 --json");
  command->callback([options, &action] { action = [options] { return generate_text(*options); }; });
}

}  // namespace bitmar::cli
