// Independent items worked on by several workers, each on a thread of its own: sessions, image readers, encoders.
//
//   BITMAR_TRY_VOID(for_each_item(std::span(sessions), items.size(),
//                                 [&](Session& session, std::size_t i) -> Result<void> { … }));
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <mutex>
#include <optional>
#include <span>
#include <thread>
#include <vector>

#include "base/result.h"

namespace bitmar {

// How many workers to open for `items` items on so many threads: at least one, which for_each_item() needs.
[[nodiscard]] inline std::size_t worker_count(std::size_t threads, std::size_t items) {
  return std::clamp<std::size_t>(threads, 1, std::max<std::size_t>(items, 1));
}

// Calls work(worker, i) -> Result<void> once for each i in [0, count), in any order; the calling thread serves the
// first of the workers, of which there is at least one. The first error ends the run.
template <typename Worker, typename Work>
[[nodiscard]] Result<void> for_each_item(std::span<Worker> workers, std::size_t count, const Work& work) {
  std::atomic<std::size_t> next = 0;
  std::mutex mutex;
  std::optional<Error> error;
  const auto serve = [&](Worker& worker) {
    for (std::size_t item = next++; item < count; item = next++) {
      const Result<void> status = work(worker, item);
      const std::scoped_lock lock(mutex);
      if (!status && !error) error = status.error();
      if (error) return;
    }
  };
  {
    std::vector<std::jthread> threads;
    for (Worker& worker : workers.subspan(1)) threads.emplace_back([&serve, &worker] { serve(worker); });
    serve(workers.front());
  }
  if (error) return std::unexpected(*std::move(error));
  return {};
}

}  // namespace bitmar
