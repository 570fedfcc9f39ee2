#include "data/epoch_plan.h"

#include <algorithm>
#include <numeric>

#include "base/random.h"
#include "data/fingerprint.h"
#include "data/shuffle.h"

namespace bitmar {
namespace {

// A text row's segments: chunks of `length` targets that overlap by one token. The document is read as if an
// end-of-text stood before and after it; `begin` and `end` are positions in that [0, tokens + 2).
void append_text_row(EpochPlan& plan, std::span<const std::uint16_t> document, std::uint64_t begin, std::uint64_t end,
                     std::uint32_t length) {
  plan.rows.push_back({});
  for (std::uint32_t g = 0; g < plan.segments_per_row; ++g) {
    Segment segment;
    const std::uint64_t first = begin + std::uint64_t{g} * length;
    const std::uint64_t last = std::min(first + length, end);  // inclusive
    if (first < last) {
      const std::uint64_t document_end = document.size() + 1;
      segment.starts = first == 0;
      segment.ends = last == document_end;
      const std::uint64_t from = segment.starts ? 0 : first - 1;
      const std::uint64_t to = segment.ends ? document.size() : last;
      segment.tokens = document.subspan(from, to - from);
    }
    plan.segments.push_back(segment);
  }
}

// Shuffles the rows, then sorts every pool of them by length, so that a batch's rows need little padding.
void shuffle_rows(EpochPlan& plan, std::uint64_t pool, Random& random) {
  const std::uint32_t width = plan.segments_per_row;
  std::vector<std::uint64_t> lengths(plan.rows.size());
  for (std::size_t row = 0; row < plan.rows.size(); ++row) {
    for (std::uint32_t g = 0; g < width; ++g) {
      lengths[row] = std::max(lengths[row], plan.segments[row * width + g].length());
    }
  }
  shuffle(std::span(plan.order), random);
  for (std::uint64_t first = 0; first < plan.order.size(); first += pool) {
    const std::uint64_t count = std::min<std::uint64_t>(pool, plan.order.size() - first);
    std::ranges::stable_sort(std::span(plan.order).subspan(first, count), {},
                             [&](std::uint64_t row) { return lengths[row]; });
  }
}

}  // namespace

Result<Stream> Stream::open(const DataSettings& data, const StreamSettings& settings, bool held_out) {
  Stream stream;
  stream.settings_ = settings;
  stream.bucket_batches_ = data.bucket_batches;
  Fingerprint print;
  for (const std::string& name : settings.sources) {
    BITMAR_TRY(Shard shard, Shard::open(data.shards + "/" + name));
    if (stream.vocabulary_ != 0 && shard.manifest().vocabulary != stream.vocabulary_) {
      return fail(ErrorCode::kInvalidFile, "{}/{}: prepared with another tokenizer than its neighbours", data.shards,
                  name);
    }
    stream.vocabulary_ = shard.manifest().vocabulary;
    print.add_text(shard.manifest().fingerprint);
    stream.shards_.push_back(std::move(shard));
  }
  for (const std::uint64_t value : {std::uint64_t{settings.rows}, std::uint64_t{settings.segments},
                                    std::uint64_t{settings.length}, std::uint64_t{data.bucket_batches},
                                    std::uint64_t{settings.features.size()}, std::uint64_t{held_out ? 1u : 0u}}) {
    print.add_number(value);
  }
  stream.fingerprint_ = print.hex();

  for (const Shard& shard : stream.shards_) {
    for (std::uint64_t group = 0; group < shard.manifest().images; ++group) {
      stream.images_.push_back({&shard.image_names()[group], &shard, group});
    }
  }
  BITMAR_TRY_VOID(stream.open_features());
  BITMAR_TRY_VOID(stream.list_documents(held_out));
  if (stream.images_.empty() && stream.documents_.empty()) {
    return fail(ErrorCode::kInvalidArgument, "stream '{}' has no rows{}", settings.name,
                held_out ? "; give its sources holdout_tokens" : "");
  }
  return stream;
}

Result<void> Stream::open_features() {
  for (const std::string& path : settings_.features) {
    BITMAR_TRY(FeatureFile store, FeatureFile::open(path));
    if (!features_.empty() && (store.tokens() != features_[0].tokens() || store.width() != features_[0].width())) {
      return fail(ErrorCode::kInvalidFile, "{}: features [{}, {}], but {} has [{}, {}]", path, store.tokens(),
                  store.width(), settings_.features[0], features_[0].tokens(), features_[0].width());
    }
    features_.push_back(std::move(store));
  }
  if (features_.empty()) return {};
  feature_rows_.reserve(images_.size() * features_.size());
  for (const Image& image : images_) {
    for (std::size_t view = 0; view < features_.size(); ++view) {
      const auto row = features_[view].find(*image.name);
      if (!row) {
        return fail(ErrorCode::kNotFound, "{}: no features of '{}', which stream '{}' captions",
                    settings_.features[view], *image.name, settings_.name);
      }
      feature_rows_.push_back(*row);
    }
  }
  return {};
}

Result<void> Stream::list_documents(bool held_out) {
  for (const Shard& shard : shards_) {
    if (shard.manifest().kind != SourceKind::kText) continue;
    const std::uint64_t boundary = shard.manifest().tokens - shard.manifest().holdout_tokens;
    const std::uint64_t begin = held_out ? boundary : 0;
    const std::uint64_t end = held_out ? shard.manifest().tokens : boundary;
    for (std::size_t i = 0; i + 1 < shard.offsets().size(); ++i) {
      const std::uint64_t first = std::max(shard.offsets()[i], begin);
      const std::uint64_t last = std::min(shard.offsets()[i + 1], end);
      if (first < last) documents_.push_back(shard.tokens().subspan(first, last - first));
    }
  }
  return {};
}

std::vector<std::span<const std::uint16_t>> Stream::captions(std::int64_t image) const {
  const auto& [name, shard, group] = images_[static_cast<std::size_t>(image)];
  std::vector<std::span<const std::uint16_t>> captions;
  for (std::uint64_t i = shard->groups()[group]; i < shard->groups()[group + 1]; ++i) {
    captions.push_back(shard->sequence(i));
  }
  return captions;
}

EpochPlan Stream::plan(std::uint64_t seed, std::uint64_t epoch, bool shuffled) const {
  Fingerprint mix;
  mix.add_number(seed);
  mix.add_number(epoch);
  mix.add_text(settings_.name);
  Random random(mix.value());
  EpochPlan plan;
  plan.segments_per_row = settings_.segments;
  if (documents_.empty()) {
    plan_captions(plan, shuffled, random);
  } else {
    plan_text(plan, shuffled && epoch > 0, random);
  }
  plan.order.resize(plan.rows.size());
  std::iota(plan.order.begin(), plan.order.end(), std::uint64_t{0});
  const std::uint64_t batch = settings_.rows;
  if (shuffled) shuffle_rows(plan, batch * bucket_batches_, random);
  for (std::uint64_t first = 0; first < plan.order.size(); first += batch) {
    plan.batches.push_back({first, std::min<std::uint64_t>(batch, plan.order.size() - first)});
  }
  if (shuffled) shuffle(std::span(plan.batches), random);
  return plan;
}

void Stream::plan_captions(EpochPlan& plan, bool shuffled, Random& random) const {
  const std::uint32_t width = settings_.segments;
  std::vector<std::uint64_t> captions;
  for (std::size_t number = 0; number < images_.size(); ++number) {
    const auto& [name, shard, group] = images_[number];
    captions.resize(shard->groups()[group + 1] - shard->groups()[group]);
    std::iota(captions.begin(), captions.end(), shard->groups()[group]);
    if (shuffled) shuffle(std::span(captions), random);
    for (std::size_t first = 0; first < captions.size(); first += width) {
      const auto view = shuffled && features_.size() > 1 ? random.below(features_.size()) : 0;
      plan.rows.push_back({static_cast<std::int64_t>(number), static_cast<std::uint32_t>(view)});
      for (std::size_t g = 0; g < width; ++g) {
        Segment segment;
        // Training fills a short last row with the image's first captions, as far as they are others.
        const std::size_t wanted = first + g;
        const bool wraps = wanted >= captions.size() && shuffled && captions.size() >= width;
        if (wanted < captions.size() || wraps) {
          segment.tokens = shard->sequence(captions[wanted % captions.size()]);
          segment.starts = true;
          segment.ends = segment.tokens.size() < settings_.length;
          if (!segment.ends) segment.tokens = segment.tokens.first(settings_.length);
        }
        plan.segments.push_back(segment);
      }
    }
  }
}

void Stream::plan_text(EpochPlan& plan, bool move_cuts, Random& random) const {
  const std::uint64_t span = std::uint64_t{settings_.segments} * settings_.length;
  for (const auto document : documents_) {
    const std::uint64_t end = document.size() + 1;  // position of the closing end-of-text
    std::uint64_t first = 0;
    if (move_cuts && end > span) {
      first = random.below(span);
      if (first > 0) append_text_row(plan, document, 0, first, settings_.length);
    }
    for (; first < end; first += span) append_text_row(plan, document, first, end, settings_.length);
  }
}

}  // namespace bitmar
