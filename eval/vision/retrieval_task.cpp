#include "eval/vision/retrieval_task.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <memory>

#include "eval/images/image_source.h"
#include "eval/parallel/for_each_item.h"
#include "eval/statistics/bootstrap.h"
#include "eval/tasks/task_files.h"
#include "eval/vision/flickr.h"
#include "eval/vision/retrieval_metrics.h"
#include "runtime/contrastive_encoder.h"
#include "text/caption_text.h"

namespace bitmar {
namespace {

constexpr std::array<std::size_t, 3> kCutoffs = {1, 5, 10};

// Embeddings of photos and captions, unit vectors [n, d]; caption_of[c] is the photo of caption c.
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

// What embeds, one a thread.
struct Embedder {
  ContrastiveEncoder encoder;
  ImageReader reader;
};

Result<std::vector<Embedder>> open_embedders(const TaskContext& context, const ImageSource& images,
                                             std::size_t photos) {
  std::vector<Embedder> embedders;
  while (embedders.size() < std::clamp<std::size_t>(context.threads, 1, photos)) {
    BITMAR_TRY(ContrastiveEncoder encoder, ContrastiveEncoder::open(context.engine));
    BITMAR_TRY(ImageReader reader, ImageReader::open(images, *context.engine));
    embedders.push_back({std::move(encoder), std::move(reader)});
  }
  return embedders;
}

Result<Embeddings> embed(const TaskContext& context, const FlickrSplit& split) {
  Embeddings embeddings;
  embeddings.width = context.engine->config().width;
  std::vector<std::size_t> first_caption;
  for (std::size_t photo = 0; photo < split.photos.size(); ++photo) {
    first_caption.push_back(embeddings.photo_of.size());
    for (std::size_t i = 0; i < split.photos[photo].references.size(); ++i) embeddings.photo_of.push_back(photo);
  }
  embeddings.photos.resize(split.photos.size() * embeddings.width);
  embeddings.captions.resize(embeddings.photo_of.size() * embeddings.width);
  BITMAR_TRY(const ImageSource images, find_images(split.folder, *context.engine));
  BITMAR_TRY(std::vector<Embedder> embedders, open_embedders(context, images, split.photos.size()));
  const auto width = static_cast<std::ptrdiff_t>(embeddings.width);
  const auto work = [&](Embedder& embedder, std::size_t photo) -> Result<void> {
    BITMAR_TRY(const ImageFeatures features, embedder.reader.read(split.photos[photo].name));
    BITMAR_TRY(const std::vector<float> image, embedder.encoder.image(features.view()));
    std::ranges::copy(image, embeddings.photos.begin() + static_cast<std::ptrdiff_t>(photo) * width);
    for (std::size_t i = 0; i < split.photos[photo].references.size(); ++i) {
      const std::string caption = normalise_caption(split.photos[photo].references[i], {});
      BITMAR_TRY(const std::vector<float> text, embedder.encoder.text(context.engine->tokenizer().encode(caption)));
      std::ranges::copy(text,
                        embeddings.captions.begin() + static_cast<std::ptrdiff_t>(first_caption[photo] + i) * width);
    }
    return {};
  };
  BITMAR_TRY_VOID(for_each_item(std::span(embedders), split.photos.size(), work, [&](std::uint64_t done) {
    if (context.progress) context.progress(done, split.photos.size());
  }));
  return embeddings;
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
  BITMAR_TRY(const Embeddings embeddings, embed(context, split));
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
