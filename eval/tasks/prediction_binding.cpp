#include "eval/tasks/prediction_binding.h"

#include <filesystem>
#include <nlohmann/json.hpp>
#include <span>
#include <utility>

#include "io/atomic_file.h"
#include "io/content_hash.h"
#include "io/lines.h"
#include "io/mapped_file.h"

namespace bitmar {
namespace {

using nlohmann::ordered_json;

// Raised by every change of a task's items, of how they are scored or of what a line holds.
constexpr int kFormatVersion = 2;

ordered_json to_json(const PredictionBinding& binding) {
  ordered_json json = {{"program", BITMAR_VERSION},
                       {"format", kFormatVersion},
                       {"task", binding.task},
                       {"model_sha256", binding.model},
                       {"files_sha256", binding.files},
                       {"memory", binding.memory},
                       {"limit", binding.limit},
                       {"start_token", binding.start == StartToken::kAlways ? "always" : "empty-context"}};
  if (!binding.search.empty()) json["search"] = binding.search;
  if (!binding.images.empty()) json["images"] = binding.images;
  if (!binding.image_files.empty()) {
    json["image_files_sha256"] = binding.image_files;
    json["tower_sha256"] = binding.tower;
  }
  return json;
}

std::string path_of(const std::string& folder, const PredictionBinding& binding) {
  return (std::filesystem::path(folder) / (binding.task + ".run.json")).string();
}

}  // namespace

PredictionBinding bind_predictions(const TaskContext& context, std::string_view task, std::string files) {
  PredictionBinding binding;
  binding.task = task;
  binding.model = context.engine->content_hash();
  binding.files = std::move(files);
  binding.memory = context.memory;
  binding.limit = context.limit;
  return binding;
}

Result<void> bind_images(PredictionBinding& binding, const TaskContext& context, const ImageSource& images,
                         std::span<const std::string> names) {
  BITMAR_TRY(binding.image_files, images.fingerprint(names));
  if (context.tower.empty() || !images.needs_tower()) return {};
  BITMAR_TRY(const MappedFile tower, MappedFile::open(context.tower));
  binding.tower = content_hash(tower.bytes());
  return {};
}

Result<void> write_binding(const std::string& folder, const PredictionBinding& binding) {
  return write_text_file(path_of(folder, binding), to_json(binding).dump(2) + "\n");
}

Result<void> check_binding(const std::string& folder, const PredictionBinding& binding) {
  const std::string path = path_of(folder, binding);
  BITMAR_TRY(const MappedFile file, MappedFile::open(path));
  const auto found = ordered_json::parse(as_text(file.bytes()), nullptr, false);
  if (!found.is_object()) return fail(ErrorCode::kInvalidFile, "{}: expected a JSON object", path);
  const ordered_json expected = to_json(binding);
  for (const auto& [key, value] : expected.items()) {
    const auto entry = found.find(key);
    if (entry == found.end() || *entry != value) {
      return fail(ErrorCode::kInvalidArgument,
                  "{}: the predictions beside it are of another run: '{}' is {}, here it is {}; delete them or choose "
                  "another folder",
                  path, key, entry == found.end() ? "missing" : entry->dump(), value.dump());
    }
  }
  return {};
}

}  // namespace bitmar
