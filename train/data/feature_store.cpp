#include "data/feature_store.h"

#include "base/checked.h"
#include "io/caption_readers.h"

namespace bitmar {

Result<FeatureStore> FeatureStore::open(const std::string& path) {
  FeatureStore store;
  BITMAR_TRY(store.file_, NpyFile::open(path));
  const std::vector<std::uint64_t>& shape = store.file_.shape();
  if (shape.size() != 2 && shape.size() != 3) {
    return fail(ErrorCode::kInvalidFile, "{}: {} dimensions, expected [images, width] or [images, tokens, width]", path,
                shape.size());
  }
  const DataType type = store.file_.type();
  if (type != DataType::kF16 && type != DataType::kF32 && type != DataType::kF64) {
    return fail(ErrorCode::kInvalidFile, "{}: type {}, expected F16, F32 or F64", path, data_type_name(type));
  }
  const auto tokens = checked_cast<std::uint32_t>(shape.size() == 3 ? shape[1] : 1);
  const auto width = checked_cast<std::uint32_t>(shape.back());
  if (!tokens || !width || *tokens == 0 || *width == 0) {
    return fail(ErrorCode::kInvalidFile, "{}: features of an impossible shape", path);
  }
  store.tokens_ = *tokens;
  store.width_ = *width;
  const std::string names_path = path + ".txt";
  BITMAR_TRY(const auto names, read_name_list(names_path));
  if (names.size() != shape[0]) {
    return fail(ErrorCode::kInvalidFile, "{}: {} names, but {} has {} rows", names_path, names.size(), path, shape[0]);
  }
  for (std::size_t row = 0; row < names.size(); ++row) {
    if (!store.rows_.emplace(names[row], row).second) {
      return fail(ErrorCode::kInvalidFile, "{}: '{}' stands there twice", names_path, names[row]);
    }
  }
  return store;
}

std::optional<std::uint64_t> FeatureStore::find(std::string_view image_name) const {
  const auto found = rows_.find(std::string(image_name));
  if (found == rows_.end()) return std::nullopt;
  return found->second;
}

}  // namespace bitmar
