#include "eval/images/image_source.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <vector>

#include "io/content_hash.h"

namespace bitmar {
namespace fs = std::filesystem;
namespace {

constexpr std::array<std::string_view, 4> kExtensions = {".jpg", ".jpeg", ".png", ".webp"};

// A line that another file of that name would not have.
Result<std::string> stamp(const fs::path& path) {
  std::error_code status;
  const std::uintmax_t size = fs::file_size(path, status);
  if (status) return fail(ErrorCode::kIo, "{}: cannot tell its size: {}", path.string(), status.message());
  const fs::file_time_type changed = fs::last_write_time(path, status);
  if (status) return fail(ErrorCode::kIo, "{}: cannot tell when it changed: {}", path.string(), status.message());
  return fmt::format("{} {} {}\n", size, changed.time_since_epoch().count(), path.filename().string());
}

}  // namespace

ImageSource ImageSource::of_folder(std::string folder) {
  ImageSource source;
  source.folder_ = std::move(folder);
  return source;
}

Result<ImageSource> ImageSource::of_features(const std::string& path, std::uint32_t vision_width) {
  BITMAR_TRY(FeatureFile features, FeatureFile::open(path));
  if (features.width() != vision_width) {
    return fail(ErrorCode::kInvalidFile, "{}: features of width {}, expected {}, the model's", path, features.width(),
                vision_width);
  }
  ImageSource source;
  source.features_ = std::make_shared<const FeatureFile>(std::move(features));
  return source;
}

Result<std::string> ImageSource::path_of(const std::string& name) const {
  const fs::path path = fs::path(folder_) / name;
  std::error_code ignored;
  if (fs::exists(path, ignored)) return path.string();
  if (!path.has_extension()) {
    for (const std::string_view extension : kExtensions) {
      const std::string candidate = path.string() + std::string(extension);
      if (fs::exists(candidate, ignored)) return candidate;
    }
    return fail(ErrorCode::kNotFound, "{}: no such image (.jpg, .jpeg, .png or .webp)", path.string());
  }
  return fail(ErrorCode::kNotFound, "{}: no such image", path.string());
}

Result<std::string> ImageSource::fingerprint(std::span<const std::string> names) const {
  std::vector<std::string> paths;
  if (features_ != nullptr) {
    paths = {features_->path(), features_->path() + ".txt"};
  } else {
    std::vector<std::string> distinct(names.begin(), names.end());
    std::ranges::sort(distinct);
    distinct.erase(std::ranges::unique(distinct).begin(), distinct.end());
    for (const std::string& name : distinct) {
      BITMAR_TRY(paths.emplace_back(), path_of(name));
    }
  }
  std::string stamps;
  for (const std::string& path : paths) {
    BITMAR_TRY(const std::string line, stamp(path));
    stamps += line;
  }
  return content_hash(std::as_bytes(std::span(stamps)));
}

Result<ImageSource> find_images(const std::string& folder, const Engine& engine) {
  const fs::path pixels = fs::path(folder) / "images";
  const fs::path features = fs::path(folder) / "features.npy";
  std::error_code ignored;
  const bool has_features = fs::exists(features, ignored);
  if (fs::is_directory(pixels, ignored) && (engine.tower() != nullptr || !has_features)) {
    return ImageSource::of_folder(pixels.string());
  }
  if (has_features) return ImageSource::of_features(features.string(), engine.config().vision_width);
  return fail(ErrorCode::kNotFound, "{}: has no images, neither a folder 'images' nor features.npy", folder);
}

Result<ImageReader> ImageReader::open(const ImageSource& source, const Engine& engine) {
  ImageReader reader(source);
  if (!source.needs_tower()) return reader;
  if (engine.tower() == nullptr) {
    return fail(ErrorCode::kUnsupported, "{} has no vision tower: give a tower file, or patch features", engine.name());
  }
  reader.tower_ = engine.tower();
  reader.encoder_.emplace(*reader.tower_);
  return reader;
}

Result<ImageFeatures> ImageReader::read(const std::string& name) {
  ImageFeatures features;
  if (source_->needs_tower()) {
    BITMAR_TRY(const std::string path, source_->path_of(name));
    BITMAR_TRY(const Image photo, load_image(path));
    features = {{}, tower_->config().patches(), tower_->config().feature_width()};
    features.values.resize(features.patches * features.width);
    encoder_->encode(photo, {features.values, features.patches, features.width}, nullptr);
    return features;
  }
  const FeatureFile& file = *source_->features_;
  const auto row = file.find(name);
  if (!row) return fail(ErrorCode::kNotFound, "{}: has no row for image '{}'", file.path(), name);
  features = {{}, file.tokens(), file.width()};
  features.values.resize(features.patches * features.width);
  BITMAR_TRY_VOID(file.read(*row, features.values));
  return features;
}

}  // namespace bitmar
