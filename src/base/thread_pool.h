// A fixed set of threads that the caller owns and passes down; nothing in the library starts threads by itself.
//
//   ThreadPool pool(2);
//   pool.parallel_for(rows, [&](std::size_t begin, std::size_t end) { ... });
#pragma once

#include <cstddef>
#include <functional>
#include <memory>

namespace bitmar {

class ThreadPool {
 public:
  // `threads` counts the calling thread: 1 starts none. 0 is taken as 1, and so is any number on a target without
  // threads (WASI).
  explicit ThreadPool(std::size_t threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  [[nodiscard]] std::size_t size() const;

  // Calls `body(begin, end)` on disjoint ranges that cover [0, count), a few for each thread, and returns when all are
  // done. The ranges are cut at multiples of `granule`, so that tiles stay whole; `size()` granules are as many ranges.
  // Threads take the ranges as they come: which of them runs one is open. Not re-entrant; one caller at a time. A body
  // must not throw.
  void parallel_for(std::size_t count, std::size_t granule,
                    const std::function<void(std::size_t begin, std::size_t end)>& body);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace bitmar
