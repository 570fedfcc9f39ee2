// What depends on a process's past, each measured in a new one: the time to the first token, and memory.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "apps/benchmark/options.h"
#include "apps/benchmark/report.h"

namespace bitmar {

// From opening the model to the first token of a text, or of the caption of options.photo. One process a repetition.
[[nodiscard]] Result<StartTimes> measure_start(const BenchmarkOptions& options, std::size_t threads, bool caption);

// Memory after each step of reading a prompt and generating a text, or of captioning a photo with four beams; one
// thread.
[[nodiscard]] Result<std::vector<MemoryStep>> measure_generate_memory(const BenchmarkOptions& options);
[[nodiscard]] Result<std::vector<MemoryStep>> measure_caption_memory(const BenchmarkOptions& options);

}  // namespace bitmar
