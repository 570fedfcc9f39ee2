// What the predictions that a run leaves depend on, <folder>/<task>.run.json beside them: a later run takes them over
// only where all of it is the same.
//
//   BITMAR_TRY(std::string files, hash_files(paths));
//   PredictionBinding binding = bind_predictions(context, "vqa", std::move(files));
//   BITMAR_TRY_VOID(bind_images(binding, context, images, names));
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "eval/images/image_source.h"
#include "eval/scoring/encoding.h"
#include "eval/tasks/task.h"

namespace bitmar {

struct PredictionBinding {
  std::string task;
  std::string model;  // its file's SHA-256
  std::string files;  // hash_files(), or another SHA-256 of what is measured
  bool memory = true;
  std::uint64_t limit = 0;
  StartToken start = StartToken::kEmptyContext;
  std::string search = {};       // how captions are found; empty: no captions
  std::string images = {};       // "own", "none" or "shuffled", of tasks on images; empty: no task on images
  std::string image_files = {};  // ImageSource::fingerprint(); empty: no image is read
  std::string tower = {};  // SHA-256 of a tower file (--tower) that reads the images; empty: the model's own, or none
};

// Of a task on text. files: PredictionBinding's.
[[nodiscard]] PredictionBinding bind_predictions(const TaskContext& context, std::string_view task, std::string files);
// Adds the images that are read, and what reads them.
[[nodiscard]] Result<void> bind_images(PredictionBinding& binding, const TaskContext& context,
                                       const ImageSource& images, std::span<const std::string> names);

[[nodiscard]] Result<void> write_binding(const std::string& folder, const PredictionBinding& binding);
// kInvalidArgument: predictions of another model, other files or options, or by another program, are there; the message
// says what differs.
[[nodiscard]] Result<void> check_binding(const std::string& folder, const PredictionBinding& binding);

}  // namespace bitmar
