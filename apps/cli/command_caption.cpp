// bitmar caption: photos to captions.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <span>
#include <utility>

#include "commands.h"
#include "model_options.h"
#include "runtime/caption.h"
#include "runtime/caption_batch.h"
#include "runtime/photo_list.h"

namespace bitmar::cli {
namespace {

struct CaptionFlags {
  ModelOptions model;
  std::vector<std::string> inputs;
  CaptionOptions caption;
  std::string prompt;
  bool json = false;
};

using Clock = std::chrono::steady_clock;

double milliseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

struct PhotoResult {
  Result<Caption> caption;
  double milliseconds = 0;  // its own for the photo, and its share of those for the captions
};

Result<void> add_photo(CaptionBatch& batch, const Photo& photo) {
  BITMAR_TRY(const Image image, load_photo(photo.path));
  return batch.add(image);
}

// One result a photo, at most batch.capacity().
std::vector<PhotoResult> caption_photos(CaptionBatch& batch, std::span<const Photo> photos,
                                        const CaptionFlags& options) {
  std::vector<PhotoResult> results;
  for (const Photo& photo : photos) {
    const auto start = Clock::now();
    const Result<void> added = add_photo(batch, photo);
    results.push_back({added ? Result<Caption>() : std::unexpected(added.error()), milliseconds_since(start)});
  }
  const std::size_t count = batch.size();
  if (count == 0) return results;
  const auto start = Clock::now();
  auto captions = batch.run(options.caption, options.prompt);
  const double share = milliseconds_since(start) / static_cast<double>(count);
  std::size_t next = 0;
  for (PhotoResult& result : results) {
    if (!result.caption) continue;
    if (captions) {
      result.caption = std::move((*captions)[next++]);
    } else {
      result.caption = std::unexpected(captions.error());
    }
    result.milliseconds += share;
  }
  return results;
}

void print(const Photo& photo, const Caption& caption, double milliseconds, bool named, bool json) {
  if (json) {
    nlohmann::ordered_json line;
    line["file"] = photo.name;
    line["caption"] = caption.text;
    line["log_probability"] = caption.log_probability;
    line["milliseconds"] = milliseconds;
    fmt::print("{}\n", line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  } else if (named) {
    fmt::print("{}: {}\n", photo.name, caption.text);
  } else {
    fmt::print("{}\n", caption.text);
  }
}

Result<void> caption(const CaptionFlags& options) {
  BITMAR_TRY(const std::vector<Photo> photos, list_photos("caption", options.inputs));
  BITMAR_TRY(const auto engine, open_engine(options.model));
  const std::size_t together = std::min(photos.size(), CaptionBatch::useful_size(options.caption));
  BITMAR_TRY(std::vector<Session> sessions, open_sessions(engine, options.model, together));
  BITMAR_TRY(CaptionBatch batch, CaptionBatch::open(std::move(sessions)));

  std::size_t failed = 0;
  for (std::size_t first = 0; first < photos.size(); first += together) {
    const auto group = std::span(photos).subspan(first, std::min(together, photos.size() - first));
    const std::vector<PhotoResult> results = caption_photos(batch, group, options);
    for (std::size_t i = 0; i < group.size(); ++i) {
      const auto& [caption, milliseconds] = results[i];
      if (caption) {
        print(group[i], *caption, milliseconds, photos.size() > 1, options.json);
        continue;
      }
      if (photos.size() == 1) return std::unexpected(caption.error());
      fmt::print(stderr, "bitmar: {}\n", caption.error().message);
      ++failed;
    }
  }
  if (failed > 0) {
    return fail(ErrorCode::kInvalidFile, "caption: {} of {} photos could not be captioned", failed, photos.size());
  }
  return {};
}

}  // namespace

void add_caption_command(CLI::App& app, CommandAction& action) {
  auto options = std::make_shared<CaptionFlags>();
  CLI::App* command = app.add_subcommand("caption", "Describe photos");
  command->add_option("photos", options->inputs, "photos (JPEG, PNG, WebP), folders of photos, or - for standard input")
      ->required();
  add_model_options(*command, options->model);
  add_memory_options(*command, options->model);
  command->add_option("--beam", options->caption.beam.width, "hypotheses of the beam search; 1 is greedy")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  command->add_option("--length-exponent", options->caption.beam.length_exponent, "preference for longer captions")
      ->capture_default_str();
  command
      ->add_option("--image-weight", options->caption.image_weight,
                   "of the hypotheses, take the one with the largest score + this * cosine(text, photo)")
      ->check(CLI::Range(0.0, 1000.0))
      ->capture_default_str();
  command->add_option("-n,--predict", options->caption.beam.maximum_tokens, "tokens at most")->capture_default_str();
  command->add_option("-p,--prompt", options->prompt, "how the caption begins");
  command->add_flag("--json", options->json, "one JSON object a line: file, caption, log_probability, milliseconds");
  command->footer(
      "Examples:\n"
      "  bitmar caption photo.jpg\n"
      "  bitmar caption holiday/ --json > captions.jsonl\n"
      "  bitmar caption photo.jpg --memory default\n"
      "  cat photo.jpg | bitmar caption - --beam 1");
  command->callback([options, &action] { action = [options] { return caption(*options); }; });
}

}  // namespace bitmar::cli
