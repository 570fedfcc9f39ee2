#include "runtime/feature_extraction.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>
#include <string_view>
#include <utility>

#include "base/random.h"
#include "image/image.h"
#include "image/random_view.h"
#include "io/atomic_file.h"
#include "io/content_hash.h"
#include "io/feature_file.h"
#include "io/mapped_file.h"
#include "io/npy.h"
#include "model/vision_pooling.h"
#include "runtime/image_encoder.h"

namespace bitmar {
namespace {

using Json = nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kPhotosPerThread = 4;  // in one batch
constexpr auto kRecordInterval = std::chrono::seconds(2);

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

Result<std::string> join_names(std::span<const Photo> photos) {
  std::set<std::string_view> seen;
  std::string names;
  for (const Photo& photo : photos) {
    if (photo.name.find('\n') != std::string::npos) {
      return fail(ErrorCode::kInvalidArgument, "{}: a photo's name cannot hold a line break", photo.path);
    }
    if (!seen.insert(photo.name).second) {
      return fail(ErrorCode::kInvalidArgument, "two photos are named '{}'", photo.name);
    }
    names += photo.name;
    names += '\n';
  }
  return names;
}

// What OUTPUT.npy.json holds.
struct Record {
  Json identity;  // what the rows were computed with and for
  std::uint64_t complete = 0;
  std::vector<std::string> failed;

  [[nodiscard]] Result<void> save(const std::string& path) const {
    Json json = identity;
    json[kFeatureRowsKey] = complete;
    json[kFailedPhotosKey] = failed;
    return write_text_file(path, json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
  }
};

Json make_identity(const VisionTower& tower, const FeatureJob& job, std::string_view names,
                   const std::vector<std::uint64_t>& shape) {
  Json identity;
  identity["tower"] = tower.config().name;
  identity["tower_sha256"] = job.tower_hash;
  identity["names_sha256"] = content_hash(bytes_of(names));
  identity["pool"] = job.pool;
  identity["mirror"] = job.mirror;
  if (job.view_seed) identity["view_seed"] = *job.view_seed;
  identity["type"] = std::string(data_type_name(job.type));
  identity["shape"] = shape;
  return identity;
}

// Reads the record of an earlier run, and refuses to mix it with another job's rows.
Result<void> resume(const std::string& path, const std::string& output, std::uint64_t photos, Record& record) {
  BITMAR_TRY(const MappedFile file, MappedFile::open(path));
  const std::string_view text(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size());
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) return fail(ErrorCode::kInvalidFile, "{}: not a JSON object", path);
  for (const auto& [key, value] : record.identity.items()) {
    const auto found = json.find(key);
    if (found != json.end() && *found == value) continue;
    return fail(ErrorCode::kInvalidArgument,
                "{}: begun with another '{}' ({}: {}; now {}); choose another name or pass --overwrite", output, key,
                path, found == json.end() ? "missing" : found->dump(), value.dump());
  }
  for (const auto& [key, value] : json.items()) {
    if (key == kFeatureRowsKey || key == kFailedPhotosKey || record.identity.contains(key)) continue;
    return fail(ErrorCode::kInvalidArgument,
                "{}: begun with '{}' ({}: {}; now without); choose another name or pass --overwrite", output, key, path,
                value.dump());
  }
  const auto complete = json.find(kFeatureRowsKey);
  const auto failed = json.find(kFailedPhotosKey);
  if (complete == json.end() || !complete->is_number_unsigned() || complete->get<std::uint64_t>() > photos) {
    return fail(ErrorCode::kInvalidFile, "{}: '{}' must be a number up to {}", path, kFeatureRowsKey, photos);
  }
  if (failed == json.end() || !failed->is_array()) {
    return fail(ErrorCode::kInvalidFile, "{}: no list '{}'", path, kFailedPhotosKey);
  }
  record.complete = complete->get<std::uint64_t>();
  for (const Json& name : *failed) {
    if (!name.is_string()) return fail(ErrorCode::kInvalidFile, "{}: '{}' must list names", path, kFailedPhotosKey);
    record.failed.push_back(name.get<std::string>());
  }
  return {};
}

// Encodes batches of photos, kPhotosPerThread a thread.
class BatchEncoder {
 public:
  BatchEncoder(const VisionTower& tower, const FeatureJob& job, ThreadPool& pool) : pool_(pool) {
    const VisionTowerConfig& config = tower.config();
    const std::size_t rows = job.pool ? pooled_count(config.patches()) : config.patches();
    row_size_ = rows * config.feature_width();
    for (std::size_t thread = 0; thread < pool.size(); ++thread) workers_.push_back(Worker(tower, job));
    rows_.resize(pool.size() * kPhotosPerThread * row_size_);
    results_.resize(pool.size() * kPhotosPerThread);
  }

  [[nodiscard]] std::size_t size() const { return results_.size(); }

  // Up to size() photos, of the file's rows from `first`; row i is then that of photo i, zero where result(i) is an
  // error.
  void run(std::span<const Photo> photos, std::uint64_t first) {
    pool_.parallel_for(photos.size(), kPhotosPerThread, [&](std::size_t begin, std::size_t end) {
      Worker& worker = workers_[begin / kPhotosPerThread];
      for (std::size_t index = begin; index < end; ++index) {
        const auto out = std::span(rows_).subspan(index * row_size_, row_size_);
        results_[index] = worker.encode(photos[index], first + index, out);
      }
    });
  }
  [[nodiscard]] std::span<const float> row(std::size_t index) const {
    return std::span(rows_).subspan(index * row_size_, row_size_);
  }
  [[nodiscard]] const Result<void>& result(std::size_t index) const { return results_[index]; }

 private:
  class Worker {
   public:
    Worker(const VisionTower& tower, const FeatureJob& job)
        : encoder_(tower),
          patches_(tower.config().patches()),
          width_(tower.config().feature_width()),
          pooled_(job.pool),
          mirrored_(job.mirror),
          view_seed_(job.view_seed) {
      if (pooled_) features_.resize(patches_ * width_);
    }

    Result<void> encode(const Photo& photo, std::uint64_t index, std::span<float> row) {
      std::ranges::fill(row, 0.0f);
      BITMAR_TRY(Image image, load_image(photo.path));
      if (mirrored_) image = mirror(image);
      if (view_seed_) {
        Random random((std::uint64_t{*view_seed_} << 32) + index);
        image = random_view(image, random);
      }
      const MatrixView<float> features(pooled_ ? std::span(features_) : row, patches_, width_);
      encoder_.encode(image, features, nullptr);
      if (pooled_) pool_features(features, {row, pooled_count(patches_), width_});
      return {};
    }

   private:
    ImageEncoder encoder_;
    std::size_t patches_;
    std::size_t width_;
    bool pooled_;
    bool mirrored_;
    std::optional<std::uint32_t> view_seed_;
    std::vector<float> features_;  // [patches, width], before pooling
  };

  ThreadPool& pool_;
  std::size_t row_size_ = 0;
  std::vector<Worker> workers_;
  std::vector<float> rows_;
  std::vector<Result<void>> results_;
};

}  // namespace

Result<FeatureReport> extract_features(const VisionTower& tower, std::span<const Photo> photos, const FeatureJob& job,
                                       ThreadPool& pool, const std::function<void(std::uint64_t done)>& on_progress) {
  const VisionTowerConfig& config = tower.config();
  const std::size_t rows = job.pool ? pooled_count(config.patches()) : config.patches();
  FeatureReport report;
  report.shape = {photos.size(), rows, config.feature_width()};
  BITMAR_TRY(const std::string names, join_names(photos));
  Record record;
  record.identity = make_identity(tower, job, names, report.shape);
  const std::string record_path = feature_record_path(job.output);

  if (!job.overwrite && std::filesystem::exists(record_path)) {
    BITMAR_TRY_VOID(resume(record_path, job.output, photos.size(), record));
  } else if (!job.overwrite && std::filesystem::exists(job.output)) {
    return fail(ErrorCode::kInvalidArgument, "{}: exists, but not {}; choose another name or pass --overwrite",
                job.output, record_path);
  }
  if (!std::filesystem::exists(job.output)) {
    record.complete = 0;
    record.failed.clear();
  }
  report.resumed_from = record.complete;
  // The record goes first: from here on, whatever is there is known to be ours.
  BITMAR_TRY_VOID(record.save(record_path));
  BITMAR_TRY_VOID(write_text_file(job.output + ".txt", names));
  BITMAR_TRY(NpyWriter writer, NpyWriter::create(job.output, job.type, report.shape, record.complete > 0));
  on_progress(record.complete);

  BatchEncoder batch(tower, job, pool);
  auto last_saved = Clock::now();
  while (record.complete < photos.size()) {
    const std::size_t count = std::min<std::size_t>(batch.size(), photos.size() - record.complete);
    batch.run(photos.subspan(record.complete, count), record.complete);
    for (std::size_t index = 0; index < count; ++index) {
      if (const auto& result = batch.result(index); !result) {
        if (!job.keep_going) {
          BITMAR_TRY_VOID(writer.flush());
          BITMAR_TRY_VOID(record.save(record_path));
          return std::unexpected(result.error());
        }
        record.failed.push_back(photos[record.complete].name);
      }
      BITMAR_TRY_VOID(writer.write_row(record.complete, batch.row(index)));
      ++record.complete;
    }
    on_progress(record.complete);
    if (record.complete == photos.size() || Clock::now() - last_saved > kRecordInterval) {
      // Rows reach the disk before the record counts them.
      BITMAR_TRY_VOID(writer.flush());
      BITMAR_TRY_VOID(record.save(record_path));
      last_saved = Clock::now();
    }
  }
  report.failed = std::move(record.failed);
  return report;
}

}  // namespace bitmar
