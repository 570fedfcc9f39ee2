#include <fmt/format.h>

#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "checkpoint/checkpoint.h"
#include "cli/commands.h"
#include "data/batch_loader.h"
#include "pretrain/evaluation.h"
#include "pretrain/learner.h"
#include "text/tokenizer.h"

namespace bitmar {
namespace {

struct EvaluateFlags {
  std::string checkpoint;
  std::uint64_t batches = 0;
  std::uint32_t caption_samples = 8;
  bool json = false;
};

nlohmann::json to_json(const StreamEvaluation& result, const std::vector<CaptionSample>& samples) {
  nlohmann::json json = {{"loss", result.loss}, {"perplexity", result.perplexity}, {"tokens", result.tokens}};
  if (result.cosine) json["cosine"] = *result.cosine;
  for (const CaptionSample& sample : samples) {
    json["captions"].push_back(
        {{"image", sample.image}, {"caption", sample.caption}, {"reference", sample.references.front()}});
  }
  if (!samples.empty()) json["cider"] = value_or_throw(cider_of(samples));
  return json;
}

void print(const std::string& name, const StreamEvaluation& result, const std::vector<CaptionSample>& samples) {
  fmt::print("{}: loss {:.4f}, perplexity {:.2f}{} over {} tokens\n", name, result.loss, result.perplexity,
             result.cosine ? fmt::format(", cosine {:.3f}", *result.cosine) : "", result.tokens);
  for (const CaptionSample& sample : samples) {
    fmt::print("  {}: {}  [{}]\n", sample.image, sample.caption, sample.references.front());
  }
  if (!samples.empty()) fmt::print("  CIDEr of these {}: {:.3f}\n", samples.size(), value_or_throw(cider_of(samples)));
  std::fflush(stdout);
}

void run_evaluate(const EvaluateFlags& flags) {
  const Checkpoint checkpoint = value_or_throw(open_checkpoint(flags.checkpoint));
  const std::string text = value_or_throw(checkpoint.text("config"));
  const TomlDocument document = value_or_throw(TomlDocument::parse(text, flags.checkpoint, {}));
  const PretrainSettings settings = value_or_throw(read_pretrain_settings(document));
  const auto& streams = settings.data.validation;
  if (streams.empty())
    throw CommandError({ErrorCode::kInvalidArgument, "the run's configuration has no [[data.validation]]"});
  const auto loader = value_or_throw(BatchLoader::open(settings.data, streams, true));
  const Tokenizer tokenizer = value_or_throw(Tokenizer::from_merges_file(settings.data.merges));
  BitmarModel model(settings.model, 0.0);
  value_or_throw(load_module(*model, checkpoint, "model."));

  nlohmann::json report = {{"step", checkpoint.step}};
  for (std::uint32_t stream = 0; stream < streams.size(); ++stream) {
    const auto result =
        value_or_throw(evaluate_stream(model, *loader, stream, flags.batches, settings.objective.chunk_tokens));
    std::vector<CaptionSample> samples;
    if (result.cosine && flags.caption_samples > 0) {
      samples = value_or_throw(caption_samples(model, *loader, stream, flags.caption_samples, tokenizer));
    }
    if (flags.json) {
      report["streams"][streams[stream].name] = to_json(result, samples);
    } else {
      print(streams[stream].name, result, samples);
    }
  }
  if (flags.json) fmt::print("{}\n", report.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
}

}  // namespace

void register_evaluate(CLI::App& app) {
  auto flags = std::make_shared<EvaluateFlags>();
  CLI::App* command = app.add_subcommand("evaluate", "Perplexity, cosine and captions on a run's held-out data");
  command->add_option("--checkpoint", flags->checkpoint, "A run's folder (its newest checkpoint) or one checkpoint")
      ->required();
  command->add_option("--batches", flags->batches, "At most so many batches a stream (0: all)")->capture_default_str();
  command->add_option("--captions", flags->caption_samples, "Photos to caption, greedily, with their CIDEr")
      ->capture_default_str();
  command->add_flag("--json", flags->json, "Print the result as JSON");
  command->footer(
      "Always against the full vocabulary. Beside it: a uniform guess has the vocabulary's size as its perplexity.\n"
      "Example:\n"
      "  bitmar-train evaluate --checkpoint runs/bitmar-14m");
  command->callback([flags] { run_evaluate(*flags); });
}

}  // namespace bitmar
