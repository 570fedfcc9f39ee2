// Flickr8k's dev photos with their captions, as the image tasks read them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "eval/captions/caption_evaluation.h"
#include "eval/images/image_source.h"
#include "eval/tasks/prediction_binding.h"
#include "eval/tasks/task.h"

namespace bitmar {

struct FlickrSplit {
  std::vector<ReferencedPhoto> photos;  // in the list's order
  std::string folder;                   // of list, captions and images
  std::vector<std::string> files;       // list and captions
};

// `list` names the photos; captions.tsv stands beside it. limit: the first photos alone; 0: all. kInvalidFile: the list
// is empty. Errors name the file.
[[nodiscard]] Result<FlickrSplit> read_flickr_split(const std::string& list, std::uint64_t limit);

// What the predictions of a task on these photos depend on; nullopt where none are kept.
[[nodiscard]] Result<std::optional<PredictionBinding>> bind_split(const TaskContext& context, std::string_view task,
                                                                  const FlickrSplit& split, const ImageSource& images);

}  // namespace bitmar
