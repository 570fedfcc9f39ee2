// Captions of Flickr8k's dev photos, pixels in, by beam search of width 4, against their references: what
// `bitmar eval captions` measures (eval/captions). CIDEr comes first, as a mean over photos; BLEU-1..4 and ROUGE-L
// follow. Controls: the one caption that the model gives without an image, for all photos; the captions of other
// photos.
#pragma once

#include <string_view>

#include "base/result.h"
#include "eval/tasks/task.h"

namespace bitmar {

// Beside them images/ or features.npy.
inline constexpr std::string_view kCaptionFiles = "flickr8k/dev.txt+captions.tsv";

// TaskContext::predictions gets captions.jsonl, a line a photo, and all captions again in captions.json, in COCO's
// results form.
[[nodiscard]] Result<TaskResult> run_captions(const TaskContext& context);

}  // namespace bitmar
