// The speed and the memory use of a model on this machine: what `bitmar bench` prints.
//
//   BITMAR_TRY(const BenchmarkReport report, benchmark_model({.model = "bitmar-14m.gguf", .threads = {1, 2}}));
#pragma once

#include <cstddef>
#include <functional>

#include "apps/benchmark/options.h"
#include "apps/benchmark/report.h"

namespace bitmar {

// Steps done, of all.
using BenchmarkProgress = std::function<void(std::size_t done, std::size_t total)>;

// Takes seconds to a minute. Forks, so no other thread may run. kOutOfRange names an option; files must be readable.
[[nodiscard]] Result<BenchmarkReport> benchmark_model(const BenchmarkOptions& options,
                                                      const BenchmarkProgress& progress = {});

}  // namespace bitmar
