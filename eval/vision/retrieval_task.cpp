#include "eval/vision/retrieval_task.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "eval/images/image_source.h"
#include "eval/statistics/bootstrap.h"
#include "eval/tasks/kept_items.h"
#include "eval/tasks/task_files.h"
#include "eval/vision/flickr.h"
#include "eval/vision/retrieval_metrics.h"
#include "runtime/contrastive_encoder.h"
#include "text/caption_text.h"

namespace bitmar {
namespace {

constexpr std::array<std::size_t, 3> kCutoffs = {1, 5, 10};

using Json = nlohmann::ordered_json;

// A photo and its captions, unit vectors [d].
struct PhotoEmbeddings {
  std::vector<float> image;
  std::vector<std::vector<float>> captions;
};

// Those of all photos, [n, d]; photo_of[c] is the photo of caption c.
struct Embeddings {
  std::size_t width = 0;
  std::vector<float> photos;
  std::vector<float> captions;
  std::vector<std::size_t> photo_of;

  [[nodiscard]] std::span<const float> photo(std::size_t i) const {
    return std::span(photos).subspan(i * width, width);
  }
  [[nodiscard]] std::span<const float> caption(std::size_t i) const {
    return std::span(captions).subspan(i * width, width);
  }
};

// Nine digits tell every FP32 value from its neighbours, also by way of FP64.
Json to_json(std::span<const float> vector) {
  Json json = Json::array();
  for (const float value : vector) json.push_back(std::stod(fmt::format("{:.9g}", value)));
  return json;
}

std::optional<std::vector<float>> vector_in(const Json& json, std::size_t width) {
  if (!json.is_array() || json.size() != width) return std::nullopt;
  std::vector<float> vector;
  for (const Json& value : json) {
    if (!value.is_number()) return std::nullopt;
    vector.push_back(static_cast<float>(value.get<double>()));
  }
  return vector;
}

KeptFormat<PhotoEmbeddings> embedding_lines(std::span<const ReferencedPhoto> photos, std::size_t width) {
  return {.id = [photos](std::size_t i) { return photos[i].name; },
          .write =
              [](std::size_t, const PhotoEmbeddings& photo, Json& line) {
                line["image"] = to_json(photo.image);
                line["captions"] = Json::array();
                for (const auto& caption : photo.captions) line["captions"].push_back(to_json(caption));
              },
          .read = [photos, width](std::size_t i, const Json& line) -> std::optional<PhotoEmbeddings> {
            const auto captions = line.find("captions");
            auto image = vector_in(line.value("image", Json()), width);
            if (!image || captions == line.end() || !captions->is_array()) return {};
            if (captions->size() != photos[i].references.size()) return {};
            PhotoEmbeddings photo{*std::move(image), {}};
            for (const Json& json : *captions) {
              auto caption = vector_in(json, width);
              if (!caption) return {};
              photo.captions.push_back(*std::move(caption));
            }
            return photo;
          }};
}

// What embeds, one a thread.
struct Embedder {
  ContrastiveEncoder encoder;
  ImageReader reader;
};

Result<std::vector<Embedder>> open_embedders(const TaskContext& context, const ImageSource& images,
                                             std::size_t photos) {
  std::vector<Embedder> embedders;
  while (embedders.size() < worker_count(context.threads, photos)) {
    BITMAR_TRY(ContrastiveEncoder encoder, ContrastiveEncoder::open(context.engine));
    BITMAR_TRY(ImageReader reader, ImageReader::open(images, *context.engine));
    embedders.push_back({std::move(encoder), std::move(reader)});
  }
  return embedders;
}

Result<std::vector<PhotoEmbeddings>> embed(const TaskContext& context, const FlickrSplit& split) {
  BITMAR_TRY(const ImageSource images, find_images(split.folder, *context.engine));
  BITMAR_TRY(const std::optional<PredictionBinding> binding, bind_split(context, "retrieval", split, images));
  const auto embed_photo = [&](Embedder& embedder, const ReferencedPhoto& photo) -> Result<PhotoEmbeddings> {
    PhotoEmbeddings embeddings;
    BITMAR_TRY(const ImageFeatures features, embedder.reader.read(photo.name));
    BITMAR_TRY(embeddings.image, embedder.encoder.image(features.view()));
    for (const std::string& reference : photo.references) {
      const std::vector<TokenId> tokens = context.engine->tokenizer().encode(normalise_caption(reference, {}));
      BITMAR_TRY(embeddings.captions.emplace_back(), embedder.encoder.text(tokens));
    }
    return embeddings;
  };
  const auto run = [&](std::size_t first,
                       const ValueSink<PhotoEmbeddings>& sink) -> Result<std::vector<PhotoEmbeddings>> {
    const auto photos = std::span(split.photos).subspan(first);
    BITMAR_TRY(std::vector<Embedder> embedders, open_embedders(context, images, photos.size()));
    const auto work = [&](Embedder& embedder, std::size_t i, std::size_t) -> Result<std::vector<PhotoEmbeddings>> {
      std::vector<PhotoEmbeddings> one;
      BITMAR_TRY(one.emplace_back(), embed_photo(embedder, photos[i]));
      return one;
    };
    return measure_in_order<PhotoEmbeddings>(std::span(embedders), photos.size(), 1, work, sink);
  };
  return measure_kept<PhotoEmbeddings>(context, binding, split.photos.size(),
                                       embedding_lines(split.photos, context.engine->config().width), run,
                                       counter(context, split.photos.size()));
}

Embeddings join(std::span<const PhotoEmbeddings> photos, std::size_t width) {
  Embeddings all;
  all.width = width;
  for (std::size_t photo = 0; photo < photos.size(); ++photo) {
    all.photos.insert(all.photos.end(), photos[photo].image.begin(), photos[photo].image.end());
    for (const auto& caption : photos[photo].captions) {
      all.captions.insert(all.captions.end(), caption.begin(), caption.end());
      all.photo_of.push_back(photo);
    }
  }
  return all;
}

// Recalls of each photo, by cutoff: whether its captions come first for it, and the share of its captions for which it
// comes first.
struct Recalls {
  std::array<std::vector<double>, kCutoffs.size()> image_to_text;  // [photos]
  std::array<std::vector<double>, kCutoffs.size()> text_to_image;
};

float product(std::span<const float> a, std::span<const float> b) {
  float sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

// shift: the photo i is taken to be photo (i + shift) % photos, a control that destroys the pairing.
Recalls measure(const Embeddings& embeddings, std::size_t photos, std::size_t shift) {
  const std::size_t captions = embeddings.photo_of.size();
  Recalls recalls;
  for (std::size_t i = 0; i < kCutoffs.size(); ++i) {
    recalls.image_to_text[i].assign(photos, 0.0);
    recalls.text_to_image[i].assign(photos, 0.0);
  }
  std::vector<double> captions_of(photos);
  for (const std::size_t photo : embeddings.photo_of) captions_of[photo] += 1;
  const auto flags = std::make_unique<bool[]>(std::max(photos, captions));
  std::vector<float> similarities(captions);
  for (std::size_t photo = 0; photo < photos; ++photo) {
    const std::span<bool> right(flags.get(), captions);
    for (std::size_t c = 0; c < captions; ++c) {
      similarities[c] = product(embeddings.photo((photo + shift) % photos), embeddings.caption(c));
      right[c] = embeddings.photo_of[c] == photo;
    }
    for (std::size_t i = 0; i < kCutoffs.size(); ++i) {
      recalls.image_to_text[i][photo] = recall_at(kCutoffs[i], similarities, right);
    }
  }
  similarities.resize(photos);
  for (std::size_t c = 0; c < captions; ++c) {
    const std::size_t own = embeddings.photo_of[c];
    const std::span<bool> right(flags.get(), photos);
    for (std::size_t photo = 0; photo < photos; ++photo) {
      similarities[photo] = product(embeddings.photo((photo + shift) % photos), embeddings.caption(c));
      right[photo] = photo == own;
    }
    for (std::size_t i = 0; i < kCutoffs.size(); ++i) {
      recalls.text_to_image[i][own] += recall_at(kCutoffs[i], similarities, right) / captions_of[own];
    }
  }
  return recalls;
}

}  // namespace

Result<TaskResult> run_retrieval(const TaskContext& context) {
  const auto begin = std::chrono::steady_clock::now();
  BITMAR_TRY(const std::string list, find_task_files(context.data, kRetrievalFiles));
  BITMAR_TRY(const FlickrSplit split, read_flickr_split(list, context.limit));
  BITMAR_TRY(const auto embedded, embed(context, split));
  const Embeddings embeddings = join(embedded, context.engine->config().width);
  const std::size_t photos = split.photos.size();
  const std::size_t captions = embeddings.photo_of.size();
  const Recalls recalls = measure(embeddings, photos, 0);
  const Recalls shuffled = measure(embeddings, photos, (photos + 1) / 2);

  TaskResult result;
  result.task = "retrieval";
  result.total.items = photos;
  const auto add = [&](std::string_view direction, std::size_t cutoff, const std::vector<double>& values,
                       const std::vector<double>& control, double chance) {
    const std::vector<std::vector<double>> groups = {values};
    Score& score = result.total.scores.emplace_back();
    score.metric = fmt::format("{}_recall@{}", direction, cutoff);
    score.value = mean_of_means(groups);
    score.interval = bootstrap_mean_of_means(groups, {.seed = context.seed});
    score.chance = chance;
    score.shuffled_images = mean_of_means(std::vector<std::vector<double>>{control});
  };
  for (std::size_t i = 0; i < kCutoffs.size(); ++i) {
    add("text_to_image", kCutoffs[i], recalls.text_to_image[i], shuffled.text_to_image[i],
        chance_recall(kCutoffs[i], photos, 1));
  }
  for (std::size_t i = 0; i < kCutoffs.size(); ++i) {
    double chance = 0;
    for (const ReferencedPhoto& photo : split.photos) {
      chance += chance_recall(kCutoffs[i], captions, photo.references.size()) / static_cast<double>(photos);
    }
    add("image_to_text", kCutoffs[i], recalls.image_to_text[i], shuffled.image_to_text[i], chance);
  }
  result.values.values = recalls.text_to_image[0];
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return result;
}

}  // namespace bitmar
