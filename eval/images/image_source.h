// The images that evaluation items name: files in a folder, which the model's own tower encodes, or rows of a file of
// patch features (`bitmar features`).
//
//   BITMAR_TRY(const ImageSource source, find_images("data/easy_vqa", *engine));
//   BITMAR_TRY(ImageReader reader, ImageReader::open(source, *engine));              // one a thread
//   BITMAR_TRY(const ImageFeatures features, reader.read("12.png"));
//   BITMAR_TRY_VOID(session.set_features(features.view()));
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "base/result.h"
#include "io/feature_file.h"
#include "runtime/engine.h"
#include "runtime/image_encoder.h"
#include "runtime/session.h"

namespace bitmar {

class ImageSource {
 public:
  // The files of `folder`, by their names. A name without an extension stands for the .jpg, .jpeg, .png or .webp of
  // that name.
  static ImageSource of_folder(std::string folder);
  // A file of features (io/feature_file.h) with F = vision_width.
  static Result<ImageSource> of_features(const std::string& path, std::uint32_t vision_width);

  [[nodiscard]] bool needs_tower() const { return features_ == nullptr; }

  // One SHA-256 by which results that are kept tell other images: of the names, sizes and times of change of the files
  // of these images, or of the two files of features. Reads none of them. kNotFound names an image that is not there.
  [[nodiscard]] Result<std::string> fingerprint(std::span<const std::string> names) const;

 private:
  friend class ImageReader;
  [[nodiscard]] Result<std::string> path_of(const std::string& name) const;

  std::string folder_;
  std::shared_ptr<const FeatureFile> features_;
};

// The images of a task's folder: `folder`/images where the model has a tower, else `folder`/features.npy. kNotFound
// names both.
[[nodiscard]] Result<ImageSource> find_images(const std::string& folder, const Engine& engine);

// Reads images of a source, which with the engine outlives this. For one thread.
class ImageReader {
 public:
  // kUnsupported: the source has pixels, and the engine no tower.
  static Result<ImageReader> open(const ImageSource& source, const Engine& engine);

  // Patch features [N, F]. kNotFound names the image.
  [[nodiscard]] Result<ImageFeatures> read(const std::string& name);

 private:
  explicit ImageReader(const ImageSource& source) : source_(&source) {}

  const ImageSource* source_;
  const VisionTower* tower_ = nullptr;
  std::optional<ImageEncoder> encoder_;
};

}  // namespace bitmar
