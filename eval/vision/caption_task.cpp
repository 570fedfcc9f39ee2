#include "eval/vision/caption_task.h"

#include <chrono>
#include <filesystem>
#include <system_error>

#include "eval/metrics/caption_metrics.h"
#include "eval/statistics/bootstrap.h"
#include "eval/tasks/prediction_binding.h"
#include "eval/tasks/task_files.h"
#include "eval/vision/flickr.h"
#include "runtime/caption.h"

namespace bitmar {
namespace {

std::string describe(const CaptionOptions& options) {
  return fmt::format("beam {}, length exponent {}, image weight {}, at most {} tokens", options.beam.width,
                     options.beam.length_exponent, options.image_weight, options.beam.maximum_tokens);
}

// The captions of an earlier run where it left them, else new ones.
Result<std::vector<std::string>> make_captions(const TaskContext& context, const FlickrSplit& split) {
  BITMAR_TRY(const ImageSource images, find_images(split.folder, *context.engine));
  const auto caption = [&]() -> Result<std::vector<std::string>> {
    CaptionRun run;
    run.images = images;
    run.memory = context.memory;
    run.threads = context.threads;
    const auto progress = [&](std::uint64_t done) {
      if (context.progress) context.progress(done, split.photos.size());
    };
    return caption_photos(context.engine, split.photos, run, progress);
  };
  if (context.predictions.empty()) return caption();
  BITMAR_TRY(PredictionBinding binding, bind_predictions(context, "captions", split.files));
  std::vector<std::string> names;
  for (const ReferencedPhoto& photo : split.photos) names.push_back(photo.name);
  BITMAR_TRY_VOID(bind_images(binding, context, images, names));
  binding.search = describe(CaptionOptions());
  binding.images = "own";
  std::error_code status;
  std::filesystem::create_directories(context.predictions, status);
  if (status) return fail(ErrorCode::kIo, "{}: cannot create it: {}", context.predictions, status.message());
  const std::string path = (std::filesystem::path(context.predictions) / "captions.json").string();
  if (std::filesystem::exists(path, status)) {
    BITMAR_TRY_VOID(check_binding(context.predictions, binding));
    return read_predictions(path, split.photos);
  }
  BITMAR_TRY_VOID(write_binding(context.predictions, binding));
  BITMAR_TRY(std::vector<std::string> captions, caption());
  BITMAR_TRY_VOID(write_predictions(path, split.photos, captions));
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
