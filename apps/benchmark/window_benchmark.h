// What the episodic memory costs and saves on a long input: a short attention window with the memory, against the
// model's own window, and against attention to the whole input, both without it.
//
//   BITMAR_TRY(const WindowComparison windows, compare_windows(options, 64, 4096));
#pragma once

#include <cstddef>
#include <cstdint>

#include "apps/benchmark/options.h"
#include "apps/benchmark/summary.h"
#include "base/result.h"

namespace bitmar {

struct WindowTimes {
  std::size_t window_tokens = 0;
  Summary read;                   // microseconds to read the input
  Summary decode;                 // microseconds to generate options.decode_tokens after it
  std::size_t session_bytes = 0;  // caches and workspace
};

struct WindowComparison {
  std::size_t input_tokens = 0;
  std::size_t decode_tokens = 0;
  WindowTimes short_with_memory;
  WindowTimes own_without_memory;
  WindowTimes all_without_memory;  // the window holds the input and what is generated after it: nothing is evicted
};

// The three in turns, options.repetitions times, on options.threads.front() threads. kUnsupported: the model has no
// memory.
[[nodiscard]] Result<WindowComparison> compare_windows(const BenchmarkOptions& options, std::uint32_t short_window,
                                                       std::size_t input_tokens);

}  // namespace bitmar
