#include "io/feature_file.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <system_error>
#include <vector>

#include "base/checked.h"
#include "io/caption_readers.h"
#include "io/lines.h"
#include "io/mapped_file.h"

namespace bitmar {
namespace {

// Photos whose rows are zero. A file without a record has none.
Result<std::vector<std::string>> failed_photos(const std::string& path, std::uint64_t rows) {
  const std::string record = feature_record_path(path);
  std::error_code ignored;
  if (!std::filesystem::exists(record, ignored)) return {};
  BITMAR_TRY(const MappedFile file, MappedFile::open(record));
  const auto json = nlohmann::json::parse(as_text(file.bytes()), nullptr, false);
  const auto complete = json.is_object() ? json.find(kFeatureRowsKey) : json.end();
  if (complete == json.end() || !complete->is_number_unsigned()) {
    return fail(ErrorCode::kInvalidFile, "{}: not the record of `bitmar features`, which has '{}'", record,
                kFeatureRowsKey);
  }
  if (complete->get<std::uint64_t>() < rows) {
    return fail(ErrorCode::kInvalidFile, "{}: has {} of {} rows so far; the same `bitmar features` goes on with it",
                path, complete->get<std::uint64_t>(), rows);
  }
  std::vector<std::string> names;
  const auto failed = json.find(kFailedPhotosKey);
  if (failed == json.end() || !failed->is_array()) return names;
  for (const auto& name : *failed) {
    if (name.is_string()) names.push_back(name.get<std::string>());
  }
  return names;
}

}  // namespace

std::string feature_record_path(const std::string& path) {
  return path + ".json";
}

Result<FeatureFile> FeatureFile::open(const std::string& path) {
  FeatureFile features;
  features.path_ = path;
  BITMAR_TRY(features.file_, NpyFile::open(path));
  const std::vector<std::uint64_t>& shape = features.file_.shape();
  if (shape.size() != 2 && shape.size() != 3) {
    return fail(ErrorCode::kInvalidFile, "{}: {} dimensions, expected [images, width] or [images, tokens, width]", path,
                shape.size());
  }
  const DataType type = features.file_.type();
  if (type != DataType::kF16 && type != DataType::kF32 && type != DataType::kF64) {
    return fail(ErrorCode::kInvalidFile, "{}: type {}, expected F16, F32 or F64", path, data_type_name(type));
  }
  const auto tokens = checked_cast<std::uint32_t>(shape.size() == 3 ? shape[1] : 1);
  const auto width = checked_cast<std::uint32_t>(shape.back());
  if (!tokens || !width || *tokens == 0 || *width == 0) {
    return fail(ErrorCode::kInvalidFile, "{}: features of an impossible shape", path);
  }
  features.tokens_ = *tokens;
  features.width_ = *width;
  const std::string names_path = path + ".txt";
  BITMAR_TRY(const auto names, read_name_list(names_path));
  if (names.size() != shape[0]) {
    return fail(ErrorCode::kInvalidFile, "{}: {} names, but {} has {} rows", names_path, names.size(), path, shape[0]);
  }
  for (std::size_t row = 0; row < names.size(); ++row) {
    if (!features.rows_.emplace(names[row], row).second) {
      return fail(ErrorCode::kInvalidFile, "{}: '{}' stands there twice", names_path, names[row]);
    }
  }
  BITMAR_TRY(const auto failed, failed_photos(path, names.size()));
  for (const std::string& name : failed) features.rows_.erase(name);
  return features;
}

std::optional<std::uint64_t> FeatureFile::find(std::string_view image_name) const {
  const auto found = rows_.find(std::string(image_name));
  if (found == rows_.end()) return std::nullopt;
  return found->second;
}

Result<void> FeatureFile::read(std::uint64_t index, std::span<float> out) const {
  BITMAR_TRY_VOID(file_.read_row(index, out));
  if (std::ranges::all_of(out, [](float value) { return std::isfinite(value); })) return {};
  return fail(ErrorCode::kInvalidFile, "{}: row {} has a value that is not finite", path_, index);
}

}  // namespace bitmar
