#include "eval/captions/caption_evaluation.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <unordered_map>

#include "io/atomic_file.h"
#include "io/mapped_file.h"
#include "runtime/caption_batch.h"

namespace bitmar {
namespace {

Result<std::vector<Caption>> caption_group(CaptionBatch& batch, std::span<const ReferencedPhoto> photos,
                                           const CaptionRun& run, ImageReader& reader) {
  for (const ReferencedPhoto& photo : photos) {
    BITMAR_TRY(const ImageFeatures features, reader.read(photo.name));
    BITMAR_TRY_VOID(batch.add_features(features.view()));
  }
  return batch.run(run.caption);
}

}  // namespace

Result<std::vector<ReferencedPhoto>> join_references(std::span<const CaptionGroup> groups,
                                                     std::span<const std::string> names) {
  std::vector<ReferencedPhoto> photos;
  if (names.empty()) {
    for (const auto& group : groups) photos.push_back({group.image, group.captions});
    return photos;
  }
  std::unordered_map<std::string_view, const CaptionGroup*> index;
  for (const auto& group : groups) index.emplace(group.image, &group);
  for (const auto& name : names) {
    const auto found = index.find(name);
    if (found == index.end()) return fail(ErrorCode::kNotFound, "photo '{}' has no reference captions", name);
    photos.push_back({name, found->second->captions});
  }
  return photos;
}

Result<std::vector<std::string>> caption_photos(const std::shared_ptr<const Engine>& engine,
                                                std::span<const ReferencedPhoto> photos, const CaptionRun& run,
                                                const ValueSink<std::string>& sink) {
  const std::size_t threads = worker_count(run.threads, photos.size());
  // Few photos go round all threads before they share products.
  const std::size_t together =
      std::clamp<std::size_t>(photos.size() / threads, 1, CaptionBatch::useful_size(run.caption));
  SessionOptions session_options;
  session_options.memory = run.memory ? MemoryMode::kReadOnly : MemoryMode::kOff;
  struct Worker {
    CaptionBatch batch;
    ImageReader reader;
  };
  std::vector<Worker> workers;
  for (std::size_t i = 0; i < threads; ++i) {
    std::vector<Session> sessions;
    while (sessions.size() < together) {
      BITMAR_TRY(Session session, Session::open(engine, session_options));
      sessions.push_back(std::move(session));
    }
    BITMAR_TRY(CaptionBatch batch, CaptionBatch::open(std::move(sessions)));
    BITMAR_TRY(ImageReader reader, ImageReader::open(run.images, *engine));
    workers.push_back({std::move(batch), std::move(reader)});
  }

  const auto work = [&](Worker& worker, std::size_t first, std::size_t count) -> Result<std::vector<std::string>> {
    BITMAR_TRY(std::vector<Caption> found,
               caption_group(worker.batch, photos.subspan(first, count), run, worker.reader));
    std::vector<std::string> captions;
    for (Caption& one : found) captions.push_back(std::move(one.text));
    return captions;
  };
  return measure_in_order<std::string>(std::span(workers), photos.size(), together, work, sink);
}

Result<std::vector<std::string>> read_predictions(const std::string& path, std::span<const ReferencedPhoto> photos) {
  BITMAR_TRY(const MappedFile file, MappedFile::open(path));
  const auto* begin = reinterpret_cast<const char*>(file.bytes().data());
  const auto json = nlohmann::json::parse(begin, begin + file.bytes().size(), nullptr, false);
  if (!json.is_array()) return fail(ErrorCode::kInvalidFile, "{}: expected a JSON array of captions", path);
  std::unordered_map<std::string, std::string> captions;
  for (std::size_t i = 0; i < json.size(); ++i) {
    const auto& entry = json[i];
    if (!entry.is_object() || !entry.contains("image_id") || !entry["image_id"].is_string() ||
        !entry.contains("caption") || !entry["caption"].is_string()) {
      return fail(ErrorCode::kInvalidFile, "{}: entry {}: expected {{\"image_id\": name, \"caption\": text}}", path, i);
    }
    captions[entry["image_id"].get<std::string>()] = entry["caption"].get<std::string>();
  }
  std::vector<std::string> ordered;
  for (const auto& photo : photos) {
    const auto found = captions.find(photo.name);
    if (found == captions.end()) return fail(ErrorCode::kNotFound, "{}: no caption for '{}'", path, photo.name);
    ordered.push_back(found->second);
  }
  return ordered;
}

Result<void> write_predictions(const std::string& path, std::span<const ReferencedPhoto> photos,
                               std::span<const std::string> captions) {
  nlohmann::ordered_json json = nlohmann::ordered_json::array();
  for (std::size_t i = 0; i < photos.size(); ++i) {
    json.push_back({{"image_id", photos[i].name}, {"caption", captions[i]}});
  }
  const std::string text = json.dump(1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  BITMAR_TRY(AtomicFile file, AtomicFile::create(path));
  BITMAR_TRY_VOID(file.write(std::as_bytes(std::span(text))));
  return file.commit();
}

}  // namespace bitmar
