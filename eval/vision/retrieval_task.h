// Retrieval between Flickr8k's dev photos and their captions by the cosine of their contrastive embeddings
// (runtime/contrastive_encoder.h): recall@1, 5 and 10 in both directions, every dev photo and caption being a
// candidate. Captions are written as training writes them (text/caption_text.h). The memory has no part in it.
#pragma once

#include <string_view>

#include "base/result.h"
#include "eval/tasks/task.h"

namespace bitmar {

// Beside them images/ or features.npy.
inline constexpr std::string_view kRetrievalFiles = "flickr8k/dev.txt+captions.tsv";

[[nodiscard]] Result<TaskResult> run_retrieval(const TaskContext& context);

}  // namespace bitmar
