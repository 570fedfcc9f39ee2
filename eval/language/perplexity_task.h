// Perplexity of held-out text (eval/language/held_out_text.h), inside the attention window and in one endless stream.
#pragma once

#include <string_view>

#include "base/result.h"
#include "eval/tasks/task.h"

namespace bitmar {

// A folder of *.train or *.txt, one file a domain.
inline constexpr std::string_view kTextFiles = "text";

// Windows as long as the cache holds, scored in steps of half of it: each token has at least half a window before it.
// Beside the perplexity a token those a word and a byte, and that in windows of the length of training. Parts are
// the files. An item is one step; the first score is the loss a token, in nats, a mean over items.
[[nodiscard]] Result<TaskResult> run_perplexity(const TaskContext& context);

// The same text read as one stream, file after file, through the rolling cache of sinks and window: the perplexity, its
// ratio to that inside the window, the growth of the session's memory in bytes, and where the model has a memory the
// perplexity with every episode (of the length of training) written to it.
[[nodiscard]] Result<TaskResult> run_streaming_perplexity(const TaskContext& context);

}  // namespace bitmar
