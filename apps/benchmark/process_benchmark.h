// What depends on a process's past: the time to the first token, and memory.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "apps/benchmark/options.h"
#include "apps/benchmark/report.h"
#include "runtime/session.h"

namespace bitmar {

// From opening the model to the first token of a text, or of the caption of options.photo. One process a repetition.
[[nodiscard]] Result<StartTimes> measure_start(const BenchmarkOptions& options, std::size_t threads, bool caption);

// Opens the engine, and notes this process's memory after each step of generating a text and then captioning
// options.photo (where the model has a tower) on one thread. For a process that has done little else.
[[nodiscard]] Result<std::shared_ptr<const Engine>> open_measured(const BenchmarkOptions& options, MemoryMode mode,
                                                                  std::vector<MemoryStep>& steps);

// The peak resident bytes after each of those steps, in a process of its own. Forks, so no other thread may run.
[[nodiscard]] Result<std::vector<double>> measure_peaks(const BenchmarkOptions& options, MemoryMode mode);

}  // namespace bitmar
