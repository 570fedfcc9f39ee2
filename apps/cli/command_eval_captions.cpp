// bitmar eval captions: how good captions are, with those of other photos beside them.
#include <fmt/format.h>

#include <chrono>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>

#include "eval/captions/caption_evaluation.h"
#include "eval/registry/registry.h"
#include "eval_commands.h"
#include "eval_tasks.h"
#include "io/caption_readers.h"
#include "model_options.h"
#include "progress.h"

namespace bitmar::cli {
namespace {

struct EvalCaptionsFlags {
  ModelOptions model;
  std::string data;
  std::string references;
  std::string format = "tsv";
  std::string list;
  std::string predictions;
  bool score_only = false;
  std::string image_folder;
  std::string features;
  bool json = false;
  CaptionRun run;
};

nlohmann::ordered_json scores_json(const CaptionScores& scores) {
  nlohmann::ordered_json json;
  for (std::size_t order = 0; order < scores.bleu.size(); ++order) {
    json[fmt::format("bleu_{}", order + 1)] = scores.bleu[order];
  }
  json["rouge_l"] = scores.rouge_l;
  json["cider"] = scores.cider;
  json["distinct"] = scores.distinct;
  return json;
}

std::string search_of(const EvalCaptionsFlags& options) {
  const auto& [beam, image_weight] = options.run.caption;
  if (options.score_only) return "captions from a file";
  if (beam.width == 1) return "greedy";
  return fmt::format("beam {}, image weight {}", beam.width, image_weight);
}

void print_row(std::string_view name, const CaptionScores& scores) {
  fmt::print("{:<22}", name);
  for (const double bleu : scores.bleu) fmt::print("{:>8.4f}", bleu);
  fmt::print("{:>9.4f}{:>8.4f}{:>10}\n", scores.rouge_l, scores.cider, scores.distinct);
}

// Flickr8k's dev photos in `data`, as `bitmar eval all` measures them.
Result<void> evaluate_task(const EvalCaptionsFlags& options) {
  BITMAR_TRY(const Task task, find_task("captions"));
  TaskOptions run;
  run.model = options.model;
  run.json = options.json;
  run.context.data = options.data;
  run.context.predictions = options.predictions;
  return evaluate_tasks(run, {&task, 1});
}

Result<void> evaluate(const EvalCaptionsFlags& options) {
  if (!options.data.empty()) return evaluate_task(options);
  if (options.references.empty()) {
    return fail(ErrorCode::kInvalidArgument, "eval captions: expected --data DIR or --references FILE");
  }
  BITMAR_TRY(const CaptionFormat format, parse_caption_format(options.format));
  BITMAR_TRY(const auto groups, read_captions(options.references, format));
  std::vector<std::string> names;
  if (!options.list.empty()) {
    BITMAR_TRY(names, read_name_list(options.list));
  }
  BITMAR_TRY(const auto photos, join_references(groups, names));
  BITMAR_TRY(const PtbTokenizer tokenizer, PtbTokenizer::create());

  const auto start = std::chrono::steady_clock::now();
  std::vector<std::string> captions;
  if (options.score_only) {
    if (options.predictions.empty()) {
      return fail(ErrorCode::kInvalidArgument, "eval captions: --score-only needs --predictions FILE");
    }
    BITMAR_TRY(captions, read_predictions(options.predictions, photos));
  } else {
    if (options.image_folder.empty() == options.features.empty()) {
      return fail(ErrorCode::kInvalidArgument,
                  "eval captions: expected --images DIR or --features FILE.npy, one of them");
    }
    BITMAR_TRY(const auto engine, open_engine(options.model));
    CaptionRun run = options.run;
    run.images = ImageSource::of_folder(options.image_folder);
    if (!options.features.empty()) {
      BITMAR_TRY(run.images, ImageSource::of_features(options.features, engine->config().vision_width));
    }
    run.threads = options.model.threads;
    run.memory = !options.model.no_memory;
    Progress progress("photos", photos.size());
    std::uint64_t done = 0;
    const auto count = [&](std::span<const std::string> some) -> Result<void> {
      progress.update(done += some.size());
      return {};
    };
    BITMAR_TRY(captions, caption_photos(engine, photos, run, count));
    progress.finish();
    if (!options.predictions.empty()) {
      BITMAR_TRY_VOID(write_predictions(options.predictions, photos, captions));
    }
  }
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;

  std::vector<CaptionItem> items;
  for (std::size_t i = 0; i < photos.size(); ++i) items.push_back({captions[i], photos[i].references});
  const CaptionScores scores = score_captions(items, tokenizer);
  const CaptionScores chance = score_captions(shuffle_candidates(items), tokenizer);
  if (options.json) {
    nlohmann::ordered_json json;
    json["photos"] = photos.size();
    json["search"] = search_of(options);
    json["seconds"] = seconds.count();
    json["scores"] = scores_json(scores);
    json["captions_of_other_photos"] = scores_json(chance);
    fmt::print("{}\n", json.dump(2));
    return {};
  }
  fmt::print("{} photos, {}, {:.1f} s\n", photos.size(), search_of(options), seconds.count());
  fmt::print("{:<22}{:>8}{:>8}{:>8}{:>8}{:>9}{:>8}{:>10}\n", "", "BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "ROUGE-L",
             "CIDEr", "distinct");
  print_row("captions", scores);
  print_row("of other photos", chance);
  return {};
}

}  // namespace

void add_eval_captions_command(CLI::App& eval, const std::string& description, CommandAction& action) {
  auto options = std::make_shared<EvalCaptionsFlags>();
  CLI::App* captions = eval.add_subcommand("captions", description);
  add_model_options(*captions, options->model);
  add_no_memory_option(*captions, options->model);
  CLI::Option* data =
      captions->add_option("--data", options->data,
                           "the folder with flickr8k/dev.txt, captions.tsv and images; --predictions is then a folder");
  captions->add_option("--references", options->references, "the reference captions");
  captions
      ->add_option("--format", options->format,
                   "of the references: flickr-token, tsv, coco, cc3m, localized-narratives, jsonl or easy-vqa")
      ->capture_default_str();
  captions->add_option("--images", options->image_folder, "the folder of the photos");
  captions->add_option("--features", options->features, "a .npy of features (bitmar features) instead of photos");
  captions->add_option("--list", options->list, "only the photos that this file names, one a line");
  captions->add_option("--beam", options->run.caption.beam.width, "hypotheses of the beam search; 1 is greedy")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  captions->add_option("--length-exponent", options->run.caption.beam.length_exponent, "preference for longer captions")
      ->capture_default_str();
  captions
      ->add_option("--image-weight", options->run.caption.image_weight,
                   "of the hypotheses, take the one with the largest score + this * cosine(text, photo)")
      ->check(CLI::Range(0.0, 1000.0))
      ->capture_default_str();
  captions->add_option(
      "--predictions", options->predictions,
      "write the captions here, in COCO's results form; with --data a folder, where an interrupted run goes on");
  captions->add_flag("--score-only", options->score_only, "score the captions of --predictions; needs no model");
  captions->add_flag("--json", options->json, "print the scores as JSON");
  for (const char* name : {"--references", "--format", "--images", "--features", "--list", "--beam",
                           "--length-exponent", "--image-weight", "--score-only"}) {
    data->excludes(captions->get_option(name));
  }
  captions->footer(
      "The row \"of other photos\" scores the same captions against the wrong photos: the level without looking.\n"
      "Examples:\n"
      "  bitmar eval captions --data data\n"
      "  bitmar eval captions --images photos --references captions.tsv --list dev.txt --predictions out.json\n"
      "  bitmar eval captions --references captions_val2014.json --format coco --predictions out.json --score-only");
  captions->callback([options, &action] { action = [options] { return evaluate(*options); }; });
}

}  // namespace bitmar::cli
