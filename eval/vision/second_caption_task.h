// What the episodic memory is worth within the seconds after it was written: the perplexity of a photo's other captions
// once the photo was read with its first caption and the episode was written. Beside it the same with the memory as the
// file has it, with another photo's episode written instead, with the memory off, and each without the photo.
#pragma once

#include <string_view>

#include "base/result.h"
#include "eval/tasks/task.h"

namespace bitmar {

// Beside them images/ or features.npy.
inline constexpr std::string_view kSecondCaptionFiles = "flickr8k/dev.txt+captions.tsv";

// A model without memory, or with it off, has its perplexity alone. Photos with one caption are left out; kInvalidFile
// where none has more.
[[nodiscard]] Result<TaskResult> run_second_caption(const TaskContext& context);

}  // namespace bitmar
