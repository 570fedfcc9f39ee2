#include "eval/tasks/prediction_binding.h"

#include <filesystem>
#include <nlohmann/json.hpp>
#include <span>

#include "io/atomic_file.h"
#include "io/lines.h"
#include "io/mapped_file.h"

namespace bitmar {
namespace {

using nlohmann::ordered_json;

constexpr int kFormatVersion = 1;

ordered_json to_json(const PredictionBinding& binding) {
  ordered_json json = {{"format", kFormatVersion},
                       {"task", binding.task},
                       {"model_sha256", binding.model},
                       {"files_sha256", binding.files},
                       {"memory", binding.memory},
                       {"limit", binding.limit},
                       {"start_token", binding.start == StartToken::kAlways ? "always" : "empty-context"}};
  if (!binding.search.empty()) json["search"] = binding.search;
  if (!binding.images.empty()) json["images"] = binding.images;
  return json;
}

std::string path_of(const std::string& folder, const PredictionBinding& binding) {
  return (std::filesystem::path(folder) / (binding.task + ".run.json")).string();
}

}  // namespace

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
