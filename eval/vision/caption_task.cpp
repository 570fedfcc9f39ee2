#include "eval/vision/caption_task.h"

#include <chrono>
#include <filesystem>
#include <optional>
#include <system_error>

#include "eval/metrics/caption_metrics.h"
#include "eval/statistics/bootstrap.h"
#include "eval/tasks/kept_items.h"
#include "eval/tasks/task_files.h"
#include "eval/vision/flickr.h"
#include "runtime/caption.h"

namespace bitmar {
namespace {

std::string describe(const CaptionOptions& options) {
  return fmt::format("beam {}, length exponent {}, image weight {}, at most {} tokens", options.beam.width,
                     options.beam.length_exponent, options.image_weight, options.beam.maximum_tokens);
}

// A photo's line: its name and the caption that was found.
KeptFormat<std::string> caption_lines(std::span<const ReferencedPhoto> photos) {
  using Json = nlohmann::ordered_json;
  return {.id = [photos](std::size_t i) { return photos[i].name; },
          .write = [](std::size_t, const std::string& caption, Json& line) { line["caption"] = caption; },
          .read = [](std::size_t, const Json& line) -> std::optional<std::string> {
            const auto caption = line.find("caption");
            if (caption == line.end() || !caption->is_string()) return std::nullopt;
            return caption->get<std::string>();
          }};
}

std::string captions_path(const std::string& folder) {
  return (std::filesystem::path(folder) / "captions.json").string();
}

// It is written anew from captions.jsonl: alone it is something else, such as what an
// older version of the program left, and not ours to replace.
Result<void> check_captions_file(const std::string& folder) {
  std::error_code status;
  if (folder.empty() || !std::filesystem::exists(captions_path(folder), status)) return {};
  for (const char* name : {"captions.jsonl", "captions.jsonl.partial"}) {
    if (std::filesystem::exists(std::filesystem::path(folder) / name, status)) return {};
  }
  return fail(ErrorCode::kInvalidArgument,
              "{}: there is no captions.jsonl beside it that it was made from; delete it or choose another folder",
              captions_path(folder));
}

Result<std::vector<std::string>> make_captions(const TaskContext& context, const FlickrSplit& split) {
  BITMAR_TRY(const ImageSource images, find_images(split.folder, *context.engine));
  BITMAR_TRY(std::optional<PredictionBinding> binding, bind_split(context, "captions", split, images));
  BITMAR_TRY_VOID(check_captions_file(context.predictions));
  const CaptionRun run{.images = images, .caption = {}, .memory = context.memory, .threads = context.threads};
  if (binding) binding->search = describe(run.caption);
  const auto caption = [&](std::size_t first, const ValueSink<std::string>& sink) {
    return caption_photos(context.engine, std::span(split.photos).subspan(first), run, sink);
  };
  const std::size_t photos = split.photos.size();
  BITMAR_TRY(auto captions, measure_kept<std::string>(context, binding, photos, caption_lines(split.photos), caption,
                                                      counter(context, photos)));
  if (binding) {
    BITMAR_TRY_VOID(write_predictions(captions_path(context.predictions), split.photos, captions));
  }
  return captions;
}

Result<std::string> caption_without_image(const TaskContext& context) {
  BITMAR_TRY(Session session,
             Session::open(context.engine, {.memory = context.memory ? MemoryMode::kReadOnly : MemoryMode::kOff}));
  BITMAR_TRY(const Caption blind, caption(session));
  return blind.text;
}

struct Metric {
  std::string name;
  double value;
  Interval interval;
};

// CIDEr first, which is a mean over photos.
std::vector<Metric> metrics_of(std::span<const CaptionStatistics> photos, const BootstrapOptions& options) {
  const auto mean_of = [&](std::string name, double CaptionStatistics::* member) {
    std::vector<double> values;
    for (const CaptionStatistics& photo : photos) values.push_back(photo.*member);
    const std::vector<std::vector<double>> groups = {std::move(values)};
    return Metric{std::move(name), mean_of_means(groups), bootstrap_mean_of_means(groups, options)};
  };
  std::vector<Metric> metrics = {mean_of("cider", &CaptionStatistics::cider)};
  BleuCounts sum;
  for (const CaptionStatistics& photo : photos) sum += photo.bleu;
  for (std::size_t order = 0; order < 4; ++order) {
    const auto resampled = [&](std::span<const std::uint32_t> indices) {
      BleuCounts drawn;
      for (const std::uint32_t index : indices) drawn += photos[index].bleu;
      return corpus_bleu(drawn)[order];
    };
    metrics.push_back(
        {fmt::format("bleu_{}", order + 1), corpus_bleu(sum)[order], bootstrap(photos.size(), resampled, options)});
  }
  metrics.push_back(mean_of("rouge_l", &CaptionStatistics::rouge_l));
  return metrics;
}

}  // namespace

Result<TaskResult> run_captions(const TaskContext& context) {
  const auto begin = std::chrono::steady_clock::now();
  BITMAR_TRY(const std::string list, find_task_files(context.data, kCaptionFiles));
  BITMAR_TRY(const FlickrSplit split, read_flickr_split(list, context.limit));
  BITMAR_TRY(const PtbTokenizer tokenizer, PtbTokenizer::create());
  BITMAR_TRY(const auto captions, make_captions(context, split));
  BITMAR_TRY(const std::string blind, caption_without_image(context));

  std::vector<CaptionItem> items;
  std::vector<CaptionItem> blind_items;
  for (std::size_t i = 0; i < captions.size(); ++i) {
    items.push_back({captions[i], split.photos[i].references});
    blind_items.push_back({blind, split.photos[i].references});
  }
  const BootstrapOptions options{.seed = context.seed};
  const auto statistics = caption_statistics(items, tokenizer);
  const auto metrics = metrics_of(statistics, options);
  const auto without = metrics_of(caption_statistics(blind_items, tokenizer), {.seed = 1, .resamples = 1});
  const auto shuffled =
      metrics_of(caption_statistics(shuffle_candidates(items), tokenizer), {.seed = 1, .resamples = 1});
  TaskResult result;
  result.task = "captions";
  result.total.items = items.size();
  for (std::size_t i = 0; i < metrics.size(); ++i) {
    Score& score = result.total.scores.emplace_back();
    score.metric = metrics[i].name;
    score.value = metrics[i].value;
    score.interval = metrics[i].interval;
    score.no_image = without[i].value;
    score.shuffled_images = shuffled[i].value;
  }
  for (const CaptionStatistics& photo : statistics) result.values.values.push_back(photo.cider);
  Score& different = result.total.scores.emplace_back();
  different.metric = "different_captions";
  different.value = static_cast<double>(score_captions(items, tokenizer).distinct);
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return result;
}

}  // namespace bitmar
