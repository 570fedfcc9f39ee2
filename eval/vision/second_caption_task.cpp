#include "eval/vision/second_caption_task.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>

#include "eval/images/image_source.h"
#include "eval/language/text_loss.h"
#include "eval/statistics/bootstrap.h"
#include "eval/tasks/kept_items.h"
#include "eval/tasks/task_files.h"
#include "eval/vision/flickr.h"
#include "runtime/memory.h"
#include "runtime/token_score.h"
#include "text/caption_text.h"

namespace bitmar {
namespace {

using Json = nlohmann::ordered_json;

enum Written : std::size_t { kOwn, kAnother, kNothing, kOff, kWrittenCount };
constexpr std::array<const char*, kWrittenCount> kWrittenNames = {"own", "another", "nothing", "memory_off"};

// Of the captions after a photo's first: with the photo in sight, and without.
struct Losses {
  std::array<TextLoss, kWrittenCount> seen;
  std::array<TextLoss, kWrittenCount> blind;
};

// The nats of each, by what was written.
Json to_json(const std::array<TextLoss, kWrittenCount>& losses, bool with_memory) {
  Json json;
  for (std::size_t written = with_memory ? kOwn : kOff; written < kWrittenCount; ++written) {
    json[kWrittenNames[written]] = losses[written].nats;
  }
  return json;
}

bool read_losses(const Json& line, const char* key, double tokens, bool with_memory,
                 std::array<TextLoss, kWrittenCount>& losses) {
  const Json json = line.value(key, Json::object());
  for (std::size_t written = with_memory ? kOwn : kOff; written < kWrittenCount; ++written) {
    const auto nats = number_in(json, kWrittenNames[written]);
    if (!nats) return false;
    losses[written] = {.nats = *nats, .tokens = tokens};
  }
  return true;
}

KeptFormat<Losses> loss_lines(std::span<const ReferencedPhoto> photos, bool with_memory) {
  return {.id = [photos](std::size_t i) { return photos[i].name; },
          .write =
              [with_memory](std::size_t, const Losses& losses, Json& line) {
                line["tokens"] = losses.seen[kOff].tokens;
                line["nats"] = to_json(losses.seen, with_memory);
                line["nats_no_image"] = to_json(losses.blind, with_memory);
              },
          .read = [with_memory](std::size_t, const Json& line) -> std::optional<Losses> {
            const auto tokens = number_in(line, "tokens");
            Losses losses;
            if (!tokens || !read_losses(line, "nats", *tokens, with_memory, losses.seen) ||
                !read_losses(line, "nats_no_image", *tokens, with_memory, losses.blind)) {
              return std::nullopt;
            }
            return losses;
          }};
}

// What one thread works with. A model without memory has only the last.
struct Worker {
  ImageReader images;
  std::optional<Session> session;
  Session off;
};

using Captions = std::vector<std::vector<TokenId>>;  // of a photo, each after <|endoftext|>

Result<std::vector<Worker>> open_workers(const TaskContext& context, const ImageSource& images, std::size_t photos) {
  std::vector<Worker> workers;
  while (workers.size() < worker_count(context.threads, photos)) {
    BITMAR_TRY(ImageReader reader, ImageReader::open(images, *context.engine));
    BITMAR_TRY(Session off, Session::open(context.engine, {.memory = MemoryMode::kOff}));
    std::optional<Session> session;
    if (context.reads_memory()) {
      BITMAR_TRY(session, Session::open(context.engine, {.memory = MemoryMode::kReadWrite}));
    }
    workers.push_back({std::move(reader), std::move(session), std::move(off)});
  }
  return workers;
}

Result<TextLoss> loss_of(Session& session, std::span<const std::vector<TokenId>> captions) {
  TextLoss loss;
  for (const auto& caption : captions) {
    session.reset();
    BITMAR_TRY(const auto scores, score_tokens(session, caption, 1));
    for (const TokenScore& score : scores) loss.nats -= score.log_probability;
    loss.tokens += static_cast<double>(scores.size());
  }
  BITMAR_TRY_VOID(check_finite(loss, session.engine()));
  return loss;
}

// The losses with the image and without; the session keeps its memory as it is.
Result<void> measure(Session& session, MatrixView<const float> features, const Captions& captions, Written written,
                     Losses& losses) {
  const auto judged = std::span(captions).subspan(1);
  BITMAR_TRY_VOID(session.set_features(features));
  BITMAR_TRY(losses.seen[written], loss_of(session, judged));
  session.clear_image();
  BITMAR_TRY(losses.blind[written], loss_of(session, judged));
  return {};
}

Result<void> write(Session& session, MatrixView<const float> features, std::span<const TokenId> caption) {
  BITMAR_TRY_VOID(session.set_memory(Memory(session.shared_engine())));
  session.reset();
  BITMAR_TRY_VOID(session.set_features(features));
  BITMAR_TRY_VOID(session.read(caption));
  BITMAR_TRY(const std::uint64_t id, session.write_episode({}));
  static_cast<void>(id);
  return {};
}

Result<std::vector<Losses>> measure_all(const TaskContext& context, const FlickrSplit& split) {
  std::vector<Captions> captions;
  const Tokenizer& tokenizer = context.engine->tokenizer();
  for (const ReferencedPhoto& photo : split.photos) {
    Captions& of_photo = captions.emplace_back();
    for (const std::string& reference : photo.references) {
      of_photo.push_back({tokenizer.end_of_text()});
      tokenizer.encode_append(normalise_caption(reference, {}), of_photo.back());
    }
  }
  const std::size_t photos = captions.size();
  BITMAR_TRY(const ImageSource source, find_images(split.folder, *context.engine));
  BITMAR_TRY(const std::optional<PredictionBinding> binding, bind_split(context, "second_caption", split, source));
  const auto measure_photo = [&](Worker& worker, std::size_t photo) -> Result<Losses> {
    Losses losses;
    BITMAR_TRY(const ImageFeatures own, worker.images.read(split.photos[photo].name));
    BITMAR_TRY_VOID(measure(worker.off, own.view(), captions[photo], kOff, losses));
    if (!worker.session) return losses;
    Session& session = *worker.session;
    BITMAR_TRY_VOID(session.set_memory(Memory(context.engine)));
    BITMAR_TRY_VOID(measure(session, own.view(), captions[photo], kNothing, losses));
    BITMAR_TRY_VOID(write(session, own.view(), captions[photo][0]));
    BITMAR_TRY_VOID(measure(session, own.view(), captions[photo], kOwn, losses));
    const std::size_t other = (photo + (photos + 1) / 2) % photos;
    BITMAR_TRY(const ImageFeatures others, worker.images.read(split.photos[other].name));
    BITMAR_TRY_VOID(write(session, others.view(), captions[other][0]));
    BITMAR_TRY_VOID(measure(session, own.view(), captions[photo], kAnother, losses));
    return losses;
  };
  const auto run = [&](std::size_t first, const ValueSink<Losses>& sink) -> Result<std::vector<Losses>> {
    BITMAR_TRY(std::vector<Worker> workers, open_workers(context, source, photos - first));
    const auto work = [&](Worker& worker, std::size_t i, std::size_t) -> Result<std::vector<Losses>> {
      BITMAR_TRY(const Losses losses, measure_photo(worker, first + i));
      return std::vector{losses};
    };
    return measure_in_order<Losses>(std::span(workers), photos - first, 1, work, sink);
  };
  return measure_kept<Losses>(context, binding, photos, loss_lines(split.photos, context.reads_memory()), run,
                              counter(context, photos));
}

double perplexity_of(const TextLoss& loss) {
  return std::exp(loss.nats / loss.tokens);
}

}  // namespace

Result<TaskResult> run_second_caption(const TaskContext& context) {
  const auto begin = std::chrono::steady_clock::now();
  BITMAR_TRY(const std::string list, find_task_files(context.data, kSecondCaptionFiles));
  BITMAR_TRY(FlickrSplit split, read_flickr_split(list, context.limit));
  std::erase_if(split.photos, [](const ReferencedPhoto& photo) { return photo.references.size() < 2; });
  if (split.photos.empty()) {
    return fail(ErrorCode::kInvalidFile, "{}: none of the photos has a second caption", list);
  }
  BITMAR_TRY(const std::vector<Losses> losses, measure_all(context, split));
  const bool with_memory = context.reads_memory();

  // 1 - the quotient of two perplexities, or one perplexity, of the photos of these indices.
  const auto gain = [&](auto sight, Written written, std::optional<Written> than,
                        std::span<const std::uint32_t> indices) {
    TextLoss sum, base;
    for (const std::uint32_t photo : indices) {
      sum += (losses[photo].*sight)[written];
      if (than) base += (losses[photo].*sight)[*than];
    }
    return than ? 1 - perplexity_of(sum) / perplexity_of(base) : perplexity_of(sum);
  };
  std::vector<std::uint32_t> everything(losses.size());
  for (std::uint32_t photo = 0; photo < everything.size(); ++photo) everything[photo] = photo;

  TaskResult result;
  result.task = "second_caption";
  result.total.items = losses.size();
  const auto add = [&](std::string metric, Written written, std::optional<Written> than) {
    Score& score = result.total.scores.emplace_back();
    score.metric = std::move(metric);
    score.value = gain(&Losses::seen, written, than, everything);
    score.interval =
        bootstrap(losses.size(),
                  [&](std::span<const std::uint32_t> indices) { return gain(&Losses::seen, written, than, indices); },
                  {.seed = context.seed});
    score.no_image = gain(&Losses::blind, written, than, everything);
    if (!than) score.chance = context.engine->config().vocabulary;
  };
  if (with_memory) {
    add("perplexity", kOwn, std::nullopt);
    add("perplexity_another_photo_written", kAnother, std::nullopt);
    add("perplexity_nothing_written", kNothing, std::nullopt);
    add("perplexity_memory_off", kOff, std::nullopt);
    add("lower_than_nothing_written", kOwn, kNothing);
    add("another_photo_lower_than_nothing_written", kAnother, kNothing);
    add("lower_than_memory_off", kOwn, kOff);
  } else {
    add("perplexity", kOff, std::nullopt);
  }
  result.values = {.width = 2, .statistic = [](std::span<const std::uint32_t> photos, std::span<const double> values) {
                     return std::exp(ratio_of_sums(photos, values));
                   }};
  for (const Losses& photo : losses) {
    const TextLoss& loss = photo.seen[with_memory ? kOwn : kOff];
    result.values.values.push_back(loss.nats);
    result.values.values.push_back(loss.tokens);
  }
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return result;
}

}  // namespace bitmar
