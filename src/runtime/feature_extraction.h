// Many photos to one memory-mapped .npy of patch features, resumable (`bitmar features`).
//
// Beside OUTPUT.npy [photos, patches, width] stand OUTPUT.npy.txt, the photos' names in row order, and
// OUTPUT.npy.json, what the rows were computed with and how many are complete. A run that was killed goes on after the
// last complete row that the .json records.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/thread_pool.h"
#include "io/data_type.h"
#include "model/vision_tower.h"
#include "runtime/photo_list.h"

namespace bitmar {

struct FeatureJob {
  std::string output;              // the .npy file
  std::string tower_hash;          // content_hash of the tower's file: rows of two towers never mix
  DataType type = DataType::kF16;  // kF16 or kF32
  bool pool = false;               // 2x2 average pooling (model/vision_pooling.h)
  bool mirror = false;             // of the photos' mirror images: a second view to train on
  // Of a random view of each photo (image/random_view.h), drawn by the generator of view_seed * 2^32 + the row.
  std::optional<std::uint32_t> view_seed = std::nullopt;
  bool overwrite = false;          // begin anew whatever is there
  bool keep_going = false;         // a photo that cannot be read becomes a row of zeros instead of an error
};

struct FeatureReport {
  std::vector<std::uint64_t> shape;  // [photos, patches, width]
  std::uint64_t resumed_from = 0;    // rows that an earlier run had completed
  std::vector<std::string> failed;   // names of photos whose rows are zero, earlier runs' included
};

// `on_progress` hears the number of complete rows, at the start and then after every batch. Photos run in parallel, one
// a thread; the file does not depend on the thread count. kInvalidArgument where `output` exists and was begun with
// another tower, list or option (without `overwrite`), or where two photos have one name.
[[nodiscard]] Result<FeatureReport> extract_features(const VisionTower& tower, std::span<const Photo> photos,
                                                     const FeatureJob& job, ThreadPool& pool,
                                                     const std::function<void(std::uint64_t done)>& on_progress);

}  // namespace bitmar
